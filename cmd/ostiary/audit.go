package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newAuditCommand(a *app) *cobra.Command {
	cmds := []*cobra.Command{newAuditListCommand(a), newAuditTailCommand(a), newAuditHeadCommand(a), newAuditVerifyCommand(a)}
	for _, cmd := range cmds {
		a.addClientFlags(cmd)
	}
	return group("audit", "Show who changed what, and verify that nothing was altered",
		"  ostiary audit list --principal preshared:shop --since 24h\n  ostiary audit tail\n  ostiary audit verify", cmds...)
}

// withAudit dials and calls f.
func (a *app) withAudit(f func(ctx context.Context, c *client, audit ostiaryv1.AuditServiceClient, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.dial()
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd.Context(), c, ostiaryv1.NewAuditServiceClient(c.conn), args)
	}
}

// auditFlags select rows.
type auditFlags struct {
	store, principal, method, request, item, since, until string
	after, upTo                                           uint64
}

func (f *auditFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.store, "store", "", "rows about this store alone, by name or id: its administrators may ask")
	flags.StringVar(&f.principal, "principal", "", "changes that this caller asked for, as preshared:shop")
	flags.StringVar(&f.method, "method", "", "changes by this call, as Write or /openfga.v1.OpenFGAService/Write")
	flags.StringVar(&f.request, "request", "", "the change by the request with this id")
	flags.StringVar(&f.item, "item", "", "changes that list a tuple or document that begins so, as doc:readme#")
	flags.StringVar(&f.since, "since", "", "changes from this time on (RFC 3339), or no older than this, as 24h")
	flags.StringVar(&f.until, "until", "", "changes before this time, or older than this")
	flags.Uint64Var(&f.after, "after-revision", 0, "changes after this revision")
	flags.Uint64Var(&f.upTo, "up-to-revision", 0, "changes up to this revision")
}

func (f *auditFlags) filter(ctx context.Context, c *client) (store string, filter *ostiaryv1.AuditFilter, err error) {
	filter = &ostiaryv1.AuditFilter{
		Principal: f.principal, Method: f.method, RequestId: f.request, Item: f.item, AfterRevision: f.after, UpToRevision: f.upTo,
	}
	if filter.Since, err = momentFlag("--since", f.since); err != nil {
		return "", nil, err
	}
	if filter.Until, err = momentFlag("--until", f.until); err != nil {
		return "", nil, err
	}
	if f.store != "" {
		store, err = c.resolveStore(ctx, f.store)
	}
	return store, filter, err
}

// momentFlag reads a time, or how long ago it was.
func momentFlag(name, text string) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return timestamppb.New(time.Now().Add(-ago)), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, usagef("%s %q is neither a time as 2026-11-23T08:00:00Z nor a duration as 24h", name, text)
	}
	return timestamppb.New(t), nil
}

func newAuditListCommand(a *app) *cobra.Command {
	var flags auditFlags
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List changes, newest first",
		Long: `List who changed what, when, from where and by which request, newest first. Rows of one store (--store) are shown to its
administrators, all of them to those of the cluster. A row lists up to 100 of the tuples and documents that were
changed, by id. The server keeps rows for --audit-retention.`,
		Example: "  ostiary audit list\n  ostiary audit list --store acme --since 24h --method Write\n  ostiary audit list --item doc:readme# --output json",
		Args:    cobra.NoArgs,
		RunE: a.withAudit(func(ctx context.Context, c *client, audit ostiaryv1.AuditServiceClient, _ []string) error {
			if limit < 1 {
				return usagef("--limit %d is below 1", limit)
			}
			store, filter, err := flags.filter(ctx, c)
			if err != nil {
				return err
			}
			request := &ostiaryv1.ListAuditRequest{StoreId: store, Filter: filter}
			all := &ostiaryv1.ListAuditResponse{}
			for {
				request.PageSize = int32(min(limit-len(all.Entries), 1000))
				page, err := audit.ListAudit(ctx, request)
				if err != nil {
					return fmt.Errorf("list the audit: %w", err)
				}
				all.Entries = append(all.Entries, page.GetEntries()...)
				if request.PageToken = page.GetNextPageToken(); request.PageToken == "" || len(all.Entries) >= limit {
					break
				}
			}
			all.NextPageToken = request.PageToken
			if a.json() {
				return a.printMessage(all, nil)
			}
			rows := make([][]string, 0, len(all.GetEntries()))
			for _, e := range all.GetEntries() {
				rows = append(rows, auditRow(e))
			}
			if all.GetNextPageToken() != "" {
				a.talkf("there are more: raise --limit")
			}
			return a.printTable([]string{"REVISION", "TIME", "PRINCIPAL", "METHOD", "FROM", "REQUEST", "CHANGED"}, rows)
		}),
	}
	flags.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 100, "show this many at most")
	return cmd
}

// maxItemsShown is how many items a line shows.
const maxItemsShown = 3

func auditRow(e *ostiaryv1.AuditEntry) []string {
	at := ""
	if e.GetTime() != nil {
		at = dateOf(e.GetTime())
	}
	return []string{fmt.Sprint(e.GetRevision()), at, dash(e.GetPrincipal()), dash(methodName(e.GetMethod())), dash(e.GetOrigin()), dash(e.GetRequestId()), changedText(e)}
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// methodName is what people call a method.
func methodName(method string) string {
	if strings.HasPrefix(method, "/") {
		return method[strings.LastIndexByte(method, '/')+1:]
	}
	return method
}

func changedText(e *ostiaryv1.AuditEntry) string {
	switch e.GetKind() {
	case "beginning":
		return "the audit begins here"
	case "restored":
		return fmt.Sprintf("cluster %s was restored as %s", e.GetFromCluster(), e.GetToCluster())
	}
	signs := map[ostiaryv1.AuditItem_Kind]string{
		ostiaryv1.AuditItem_KIND_TUPLE_WRITTEN: "+", ostiaryv1.AuditItem_KIND_TUPLE_DELETED: "-",
		ostiaryv1.AuditItem_KIND_DOCUMENT_PUT: "put", ostiaryv1.AuditItem_KIND_DOCUMENT_DELETED: "deleted",
		ostiaryv1.AuditItem_KIND_ROWS_DELETED: "rows of the audit deleted up to",
	}
	var texts []string
	for i, item := range e.GetItems() {
		if i == maxItemsShown {
			break
		}
		texts = append(texts, signs[item.GetKind()]+" "+item.GetName())
	}
	text := strings.Join(texts, ", ")
	total := e.GetTuplesWritten() + e.GetTuplesDeleted() + e.GetDocumentsPut() + e.GetDocumentsDeleted()
	if more := int64(total) - int64(len(texts)); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func newAuditTailCommand(a *app) *cobra.Command {
	var flags auditFlags
	var after string
	var once bool
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Follow changes as they are made, oldest first",
		Long: `Follow changes: those that are kept, or those after a head (--after), and then new ones until it is interrupted. With --output
json each line is one row with the head after which to go on, for whoever ships them elsewhere; where the connection
ends it is made anew, and no row comes twice.`,
		Example: "  ostiary audit tail --since 1h\n  ostiary audit tail --output json --once",
		Args:    cobra.NoArgs,
		RunE: a.withAudit(func(ctx context.Context, c *client, audit ostiaryv1.AuditServiceClient, _ []string) error {
			store, filter, err := flags.filter(ctx, c)
			if err != nil {
				return err
			}
			request := &ostiaryv1.TailAuditRequest{StoreId: store, Filter: filter, After: after, Once: once}
			return followAudit(ctx, audit, request, func(m *ostiaryv1.TailAuditResponse) error {
				if a.json() {
					return a.printLine(m)
				}
				_, err := fmt.Fprintln(a.out, legible(strings.Join(auditRow(m.GetEntry()), "  ")))
				return err
			})
		}),
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&after, "after", "", "go on after this head, as 'ostiary audit head' and the rows in JSON have it")
	cmd.Flags().BoolVar(&once, "once", false, "end after the rows that are there")
	return cmd
}

// printLine writes a message as one line of JSON.
func (a *app) printLine(m proto.Message) error {
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, data); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, line.String())
	return err
}

// followPause is how long to wait until a connection is made anew.
const followPause = time.Second

// followAudit calls f with each row, and goes on after the last one where a stream ends.
func followAudit(ctx context.Context, client ostiaryv1.AuditServiceClient, request *ostiaryv1.TailAuditRequest, f func(*ostiaryv1.TailAuditResponse) error) error {
	came := false
	for {
		stream, err := client.TailAudit(ctx, request)
		for err == nil {
			var m *ostiaryv1.TailAuditResponse
			if m, err = stream.Recv(); err != nil {
				break
			}
			came = true
			if err := f(m); err != nil {
				return err
			}
			request.After = m.GetHead()
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, io.EOF) && request.GetOnce():
			return nil
		case errors.Is(err, io.EOF), came && exitCode(err) == exitUnavailable:
		default:
			return fmt.Errorf("follow the audit: %w", err)
		}
		select {
		case <-time.After(followPause):
		case <-ctx.Done():
			return nil
		}
	}
}

func newAuditHeadCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "head",
		Short: "Print the newest row's place and hash, to be kept elsewhere",
		Long: `Print REVISION/KIND/HASH of the newest row. Kept where nobody who can write to the servers' disks can change it, it proves
later that no row before it was altered: 'ostiary audit verify --head HEAD'.`,
		Example: "  ostiary audit head",
		Args:    cobra.NoArgs,
		RunE: a.withAudit(func(ctx context.Context, _ *client, audit ostiaryv1.AuditServiceClient, _ []string) error {
			head, err := audit.GetAuditHead(ctx, &ostiaryv1.GetAuditHeadRequest{})
			if err != nil {
				return fmt.Errorf("ask for the head of the audit: %w", err)
			}
			if head.GetHead() == "" && !a.json() {
				return errors.New("there is no audit yet: it begins with the first change")
			}
			return a.say(head, "%s", head.GetHead())
		}),
	}
}
