package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

const (
	demoStore   = "demo"
	demoTimeout = 10 * time.Second
	// demoShown is how many entries of a longer list the table shows.
	demoShown = 2
)

// question is one thing that the demo asks.
type question struct {
	words string // the question in words
	// command is the command line that asks it, without the program's name.
	command []string
	ask     func(ctx context.Context, c *client, store string) (answer string, err error)
}

func demoQuestions() []question {
	return []question{
		checkQuestion("an owner of the organization administers each of its repositories", "repository:orbit/core", "can_delete", "user:u01"),
		checkQuestion("a member of a team below 'platform' may push where 'platform' may", "repository:orbit/cli", "can_push", "user:u13"),
		checkQuestion("a member of a team may not push where the team only triages", "repository:orbit/sdk-js", "can_push", "user:u33"),
		checkQuestion("everybody may read a public repository", "repository:orbit/website", "can_read", "user:somebody"),
		checkQuestion("somebody who is blocked loses what the team gives", "repository:orbit/core", "can_push", "user:u22"),
		listObjectsQuestion("what a member of the teams docs, website and release may push to", "user:u33", "can_push", "repository"),
		listUsersQuestion("who may delete a repository", "repository:orbit/security-advisories", "can_delete", "user", ""),
		listUsersQuestion("which teams' members may push to it", "repository:orbit/ci-config", "writer", "team", "member"),
	}
}

func checkQuestion(words, object, relation, user string) question {
	return question{
		words:   words,
		command: []string{"check", object + "#" + relation + "@" + user},
		ask: func(ctx context.Context, c *client, store string) (string, error) {
			answer, err := c.fga.Check(ctx, &openfgav1.CheckRequest{
				StoreId: store, TupleKey: &openfgav1.CheckRequestTupleKey{Object: object, Relation: relation, User: user}})
			if err != nil {
				return "", err
			}
			if answer.GetAllowed() {
				return "allowed", nil
			}
			return "denied", nil
		},
	}
}

func listObjectsQuestion(words, user, relation, typ string) question {
	return question{
		words:   words,
		command: []string{"list-objects", user, relation, typ},
		ask: func(ctx context.Context, c *client, store string) (string, error) {
			answer, err := c.fga.ListObjects(ctx, &openfgav1.ListObjectsRequest{StoreId: store, User: user, Relation: relation, Type: typ})
			if err != nil {
				return "", err
			}
			return shorten(answer.GetObjects()), nil
		},
	}
}

func listUsersQuestion(words, object, relation, typ, userRelation string) question {
	filter := strings.TrimSuffix(typ+"#"+userRelation, "#")
	return question{
		words:   words,
		command: []string{"list-users", object, relation, "--user-filter", filter},
		ask: func(ctx context.Context, c *client, store string) (string, error) {
			parsed, err := ostiary.ParseObject(object)
			if err != nil {
				return "", err
			}
			answer, err := c.fga.ListUsers(ctx, &openfgav1.ListUsersRequest{
				StoreId: store, Object: &openfgav1.Object{Type: parsed.Type, Id: parsed.ID}, Relation: relation,
				UserFilters: []*openfgav1.UserTypeFilter{{Type: typ, Relation: userRelation}}})
			if err != nil {
				return "", err
			}
			users := make([]string, 0, len(answer.GetUsers()))
			for _, user := range answer.GetUsers() {
				users = append(users, userText(user))
			}
			return shorten(users), nil
		},
	}
}

// shorten shows the first entries of a list, in order, and how many there are.
func shorten(entries []string) string {
	slices.Sort(entries)
	if len(entries) <= demoShown+1 {
		return strings.Join(entries, " ")
	}
	return fmt.Sprintf("%s … (%d)", strings.Join(entries[:demoShown], " "), len(entries))
}

// askQuestions prints each question with its answer and its latency, and why two of them came out as
// they did.
func (a *app) askQuestions(ctx context.Context, c *client, store string) error {
	questions := demoQuestions()
	asked, answered := len("QUESTION"), len("ANSWER")
	answers, latencies := make([]string, len(questions)), make([]time.Duration, len(questions))
	for i, q := range questions {
		started := time.Now()
		answer, err := q.ask(ctx, c, store)
		latencies[i] = time.Since(started)
		if err != nil {
			return fmt.Errorf("ask %q: %w", strings.Join(q.command, " "), err)
		}
		answers[i] = answer
		asked, answered = max(asked, len(strings.Join(q.command, " "))), max(answered, utf8.RuneCountInString(answer))
	}
	a.printf("\n%-*s  %-*s  %s", asked, "QUESTION", answered, "ANSWER", "LATENCY")
	for i, q := range questions {
		a.printf("%s", a.paintOut(faint, "# "+q.words))
		a.printf("%-*s  %-*s  %.2f ms", asked, strings.Join(q.command, " "), answered, answers[i], float64(latencies[i].Microseconds())/1000)
	}
	for _, text := range []string{"repository:orbit/cli#can_push@user:u13", "repository:orbit/core#can_push@user:u22"} {
		t, err := ostiary.ParseTuple(text)
		if err != nil {
			return err
		}
		request := &ostiaryv1.ExplainRequest{StoreId: store,
			TupleKey: &ostiaryv1.TupleKey{Object: t.Object.String(), Relation: t.Relation, User: t.Subject.String()}}
		answer, err := ostiaryv1.NewOstiaryServiceClient(c.conn).Explain(ctx, request)
		if err != nil {
			return fmt.Errorf("explain %s: %w", t, err)
		}
		a.printf("\ncheck %s --explain\n%s", t, a.shortExplanation(answer))
	}
	return nil
}

// printDemoUsage says what a person can do next, in commands to copy.
func (a *app) printDemoUsage(store, httpAddr string) {
	server := ""
	if a.client.server != "127.0.0.1:8081" {
		server = "export OSTIARY_SERVER=" + a.client.server + "\n  "
	}
	a.printf(`
Ask more, in another terminal:
  %[1]sexport OSTIARY_STORE=%[2]s
  %[4]s model get
  %[4]s tuple read --object repository:orbit/core
  %[4]s check repository:orbit/core#can_push@user:u17 --explain
  %[4]s tuple write repository:orbit/core#blocked@user:u17
  %[4]s check repository:orbit/core#can_push@user:u17 --explain

Or over HTTP, as every OpenFGA client does:
  curl -s http://%[3]s/stores/%[2]s/check -d '{"tuple_key":{"user":"user:u17","relation":"can_push","object":"repository:orbit/core"}}'
  curl -s http://%[3]s/stores/%[2]s/list-objects -d '{"user":"user:u17","relation":"can_push","type":"repository"}'`,
		server, store, httpAddr, a.program)
}
