// What the npm package @openfga/sdk asks, against a built Ostiary over HTTP.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import {
  ClientWriteRequestOnDuplicateWrites,
  ClientWriteRequestOnMissingDeletes,
  ClientWriteStatus,
  CredentialsMethod,
  FgaApiAuthenticationError,
  FgaApiNotFoundError,
  FgaApiValidationError,
  OpenFgaClient,
} from "@openfga/sdk";
import { startServer } from "./server.js";

const tuples = [
  { user: "user:ann", relation: "member", object: "group:eng" },
  { user: "group:eng#member", relation: "member", object: "group:all" },
  { user: "group:all#member", relation: "viewer", object: "folder:plans" },
  { user: "folder:plans", relation: "parent", object: "doc:roadmap" },
  { user: "user:bob", relation: "viewer", object: "doc:roadmap" },
  { user: "user:bob", relation: "banned", object: "doc:roadmap" },
  { user: "user:bob", relation: "viewer", object: "doc:notes" },
];
const ofAnn = { user: "user:ann", relation: "viewer", object: "doc:roadmap" };
const ofBob = { user: "user:bob", relation: "viewer", object: "doc:roadmap" };

const readModel = async (name) => JSON.parse(await readFile(new URL(`../testdata/${name}`, import.meta.url), "utf8"));

// newClient returns a client without retries, so that an error is seen as it is.
function newClient(apiUrl, apiToken) {
  const credentials = apiToken ? { method: CredentialsMethod.ApiToken, config: { token: apiToken } } : undefined;
  return new OpenFgaClient({ apiUrl, credentials, retryParams: { maxRetry: 0, minWaitInMs: 100 } });
}

// newStore creates a store with a model and the tuples above, and has the client use both.
async function newStore(client, name) {
  const store = await client.createStore({ name });
  assert.equal(store.name, name);
  client.storeId = store.id;
  const { authorization_model_id: model } = await client.writeAuthorizationModel(await readModel("model.json"));
  client.authorizationModelId = model;
  await client.write({ writes: tuples });
  return { store: store.id, model };
}

// refused checks the class, status and code of an error.
const refused = (type, statusCode, code) => (error) => {
  assert.ok(error instanceof type, `got ${error?.constructor?.name}: ${error?.message}`);
  assert.equal(error.statusCode, statusCode);
  assert.equal(error.apiErrorCode ?? error.responseData?.code, code);
  return true;
};

const sorted = (list) => [...list].sort();

describe("without authentication", () => {
  let server, client, ids;

  before(async () => {
    server = await startServer();
    client = newClient(server.url);
    ids = await newStore(client, "acme");
  });
  after(() => server.stop());

  test("stores are listed, found and deleted", async () => {
    const other = newClient(server.url);
    const { store } = await newStore(other, "other");
    const first = await client.listStores({ pageSize: 1 });
    assert.deepEqual(first.stores.map((s) => s.id), [ids.store]);
    const second = await client.listStores({ pageSize: 1, continuationToken: first.continuation_token });
    assert.deepEqual(second.stores.map((s) => s.id), [store]);
    assert.equal(second.continuation_token, "");
    assert.equal((await other.getStore()).name, "other");
    assert.deepEqual((await client.listStores({ name: "other" })).stores.map((s) => s.id), [store]);
    await other.deleteStore();
    await assert.rejects(other.getStore(), refused(FgaApiNotFoundError, 404, "store_id_not_found"));
  });

  test("models are written, listed and read", async () => {
    const { authorization_models: models } = await client.readAuthorizationModels();
    assert.deepEqual(models.map((m) => m.id), [ids.model]);
    assert.equal((await client.readLatestAuthorizationModel()).authorization_model.id, ids.model);
    const { authorization_model: one } = await client.readAuthorizationModel();
    assert.deepEqual(sorted(one.type_definitions.map((t) => t.type)), ["doc", "folder", "group", "user"]);
  });

  test("check follows groups, folders, exclusion and contextual tuples", async () => {
    assert.equal((await client.check(ofAnn)).allowed, true);
    assert.equal((await client.check(ofBob)).allowed, false);
    const ofNotes = { ...ofAnn, object: "doc:notes" };
    assert.equal((await client.check(ofNotes)).allowed, false);
    const contextualTuples = [{ user: "folder:plans", relation: "parent", object: "doc:notes" }];
    assert.equal((await client.check({ ...ofNotes, contextualTuples })).allowed, true);
    assert.equal((await client.check(ofNotes)).allowed, false);
  });

  test("batchCheck answers each item by its correlation id", async () => {
    const { result } = await client.batchCheck({
      checks: [
        { ...ofAnn, correlationId: "ann" },
        { ...ofBob, correlationId: "bob" },
        { ...ofBob, relation: "nothing", correlationId: "wrong" },
      ],
    });
    const of = Object.fromEntries(result.map((r) => [r.correlationId, r]));
    assert.equal(of.ann.allowed, true);
    assert.equal(of.bob.allowed, false);
    assert.equal(of.bob.error, undefined);
    assert.equal(of.wrong.error.input_error, "validation_error");
  });

  test("listRelations asks several checks", async () => {
    const { relations } = await client.listRelations({ user: "user:bob", object: "doc:roadmap", relations: ["viewer", "banned"] });
    assert.deepEqual(relations, ["banned"]);
  });

  test("listObjects and streamedListObjects answer the same", async () => {
    const question = { user: "user:ann", relation: "viewer", type: "doc", contextualTuples: [{ ...ofAnn, object: "doc:plan" }] };
    const want = ["doc:plan", "doc:roadmap"];
    assert.deepEqual(sorted((await client.listObjects(question)).objects), want);
    const streamed = [];
    for await (const { object } of client.streamedListObjects(question)) streamed.push(object);
    assert.deepEqual(sorted(streamed), want);
  });

  test("streamedListObjects refuses what listObjects refuses", async () => {
    const ask = async () => {
      for await (const _ of client.streamedListObjects({ user: "user:ann", relation: "nothing", type: "doc" }));
    };
    // The package leaves the body of a refused stream unread, and so the error without a code.
    await assert.rejects(ask(), refused(FgaApiValidationError, 400, undefined));
  });

  test("listUsers finds users and usersets", async () => {
    const question = { object: { type: "doc", id: "roadmap" }, relation: "viewer" };
    const users = await client.listUsers({ ...question, user_filters: [{ type: "user" }] });
    assert.deepEqual(users.users, [{ object: { type: "user", id: "ann" } }]);
    const sets = await client.listUsers({ ...question, user_filters: [{ type: "group", relation: "member" }] });
    assert.deepEqual(sorted(sets.users.map((u) => u.userset.id)), ["all", "eng"]);
  });

  test("expand shows the rewrite", async () => {
    const { tree } = await client.expand({ relation: "viewer", object: "doc:roadmap" });
    assert.equal(tree.root.name, "doc:roadmap#viewer");
    assert.ok(tree.root.difference);
  });

  test("read pages through all tuples and filters", async () => {
    const got = [];
    let continuationToken = "";
    do {
      const page = await client.read({}, { pageSize: 3, continuationToken });
      got.push(...page.tuples.map((t) => `${t.key.object}#${t.key.relation}@${t.key.user}`));
      continuationToken = page.continuation_token;
    } while (continuationToken);
    assert.deepEqual(sorted(got), sorted(tuples.map((t) => `${t.object}#${t.relation}@${t.user}`)));
    const { tuples: filtered } = await client.read({ user: "user:bob", object: "doc:" });
    assert.equal(filtered.length, 3);
  });

  test("write in one transaction, in many, and over what is there", async () => {
    const added = { user: "user:cy", relation: "viewer", object: "doc:one" };
    await client.writeTuples([added]);
    assert.equal((await client.check(added)).allowed, true);
    await assert.rejects(client.writeTuples([added]), refused(FgaApiValidationError, 400, "write_failed_due_to_invalid_input"));
    const conflict = {
      onDuplicateWrites: ClientWriteRequestOnDuplicateWrites.Ignore,
      onMissingDeletes: ClientWriteRequestOnMissingDeletes.Ignore,
    };
    await client.write({ writes: [added], deletes: [{ ...added, object: "doc:none" }] }, { conflict });
    const { writes } = await client.write(
      { writes: [{ ...added, object: "doc:two" }, { ...added, relation: "nothing" }, { ...added, object: "doc:three" }] },
      { transaction: { disable: true, maxPerChunk: 1, maxParallelRequests: 2 } },
    );
    assert.deepEqual(sorted(writes.map((w) => w.status)), sorted([ClientWriteStatus.SUCCESS, ClientWriteStatus.SUCCESS, ClientWriteStatus.FAILURE]));
    await client.deleteTuples([added, { ...added, object: "doc:two" }, { ...added, object: "doc:three" }]);
    assert.equal((await client.check(added)).allowed, false);
  });

  test("readChanges tells writes and deletes in order", async () => {
    const other = newClient(server.url);
    await newStore(other, "changes");
    await other.deleteTuples([ofBob]);
    const all = await other.readChanges();
    assert.deepEqual(all.changes.map((c) => c.operation), [...tuples.map(() => "TUPLE_OPERATION_WRITE"), "TUPLE_OPERATION_DELETE"]);
    assert.deepEqual(all.changes.map((c) => c.tuple_key.object), [...tuples.map((t) => t.object), "doc:roadmap"]);
    assert.ok(all.continuation_token);
    const later = await other.readChanges(undefined, { continuationToken: all.continuation_token });
    assert.deepEqual(later.changes, []);
    const groups = await other.readChanges({ type: "group" });
    assert.equal(groups.changes.length, 2);
    await other.deleteStore();
  });

  test("assertions are kept with the model", async () => {
    const assertions = [{ ...ofAnn, expectation: true }, { ...ofBob, expectation: false }];
    await client.writeAssertions(assertions);
    const read = await client.readAssertions();
    assert.equal(read.authorization_model_id, ids.model);
    assert.deepEqual(read.assertions.map((a) => [a.tuple_key.user, a.expectation]), [["user:ann", true], ["user:bob", false]]);
  });

  test("conditions are evaluated with the contexts of the tuple and of the question", async () => {
    const other = newClient(server.url);
    await newStore(other, "conditions");
    const { authorization_model_id: model } = await other.writeAuthorizationModel(await readModel("conditions.json"));
    other.authorizationModelId = model;
    const tuple = { user: "user:ann", relation: "viewer", object: "doc:hours" };
    await other.writeTuples([
      { ...tuple, condition: { name: "in_hours", context: { since: 9, until: 17 } } },
      { ...tuple, object: "doc:always" },
    ]);
    assert.equal((await other.check({ ...tuple, context: { hour: 12 } })).allowed, true);
    assert.equal((await other.check({ ...tuple, context: { hour: 18 } })).allowed, false);
    await assert.rejects(other.check(tuple), refused(FgaApiValidationError, 400, "validation_error"));
    const list = { user: "user:ann", relation: "viewer", type: "doc" };
    assert.deepEqual(sorted((await other.listObjects({ ...list, context: { hour: 12 } })).objects), ["doc:always", "doc:hours"]);
    const streamed = [];
    for await (const { object } of other.streamedListObjects({ ...list, context: { hour: 18 } })) streamed.push(object);
    assert.deepEqual(streamed, ["doc:always"]);
    const { tuples: read } = await other.read({ object: "doc:hours" });
    assert.deepEqual(read[0].key.condition, { name: "in_hours", context: { since: 9, until: 17 } });
    await other.deleteStore();
  });

  test("errors have the class, status and code of OpenFGA", async () => {
    const missing = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    await assert.rejects(client.check({ ...ofAnn, relation: "nothing" }), refused(FgaApiValidationError, 400, "validation_error"));
    await assert.rejects(client.check(ofAnn, { authorizationModelId: missing }), refused(FgaApiValidationError, 400, "authorization_model_not_found"));
    await assert.rejects(client.getStore({ storeId: missing }), refused(FgaApiNotFoundError, 404, "store_id_not_found"));
    await assert.rejects(client.writeTuples([{ ...ofAnn, user: "folder:x" }]), refused(FgaApiValidationError, 400, "validation_error"));
    await assert.rejects(
      client.writeAuthorizationModel({ schema_version: "1.1", type_definitions: [{ type: "doc", relations: { viewer: { computedUserset: { relation: "nothing" } } } }] }),
      refused(FgaApiValidationError, 400, "invalid_authorization_model"),
    );
  });
});

describe("with a pre-shared key", () => {
  let server;

  before(async () => {
    server = await startServer("secret");
  });
  after(() => server.stop());

  test("the right key is let in", async () => {
    const client = newClient(server.url, "secret");
    await newStore(client, "acme");
    assert.equal((await client.check(ofAnn)).allowed, true);
  });

  test("a wrong key and none are refused", async () => {
    await assert.rejects(newClient(server.url, "wrong").listStores(), refused(FgaApiAuthenticationError, 401, "unauthenticated"));
    await assert.rejects(newClient(server.url).listStores(), refused(FgaApiAuthenticationError, 401, "bearer_token_missing"));
  });
});
