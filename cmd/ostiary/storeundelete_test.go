package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
)

func TestStoreUndelete(t *testing.T) {
	address, _ := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.storeRetention = time.Hour })
	c := newCLI(t, address)
	id := c.want(exitDone, "", "", "store", "create", "acme")
	c.want(exitDone, "", "", "store", "create", "other")
	c.want(exitFailed, "store list --deleted", "", "store", "undelete", id)
	c.want(exitDone, "deleted acme", "", "store", "delete", "acme", "--yes")
	if text := c.want(exitDone, "other", "", "store", "list"); strings.Contains(text, id) {
		t.Errorf("the deleted store is listed:\n%s", text)
	}
	if text := c.want(exitDone, id+"  acme", "", "store", "list", "--deleted"); strings.Contains(text, "other") {
		t.Errorf("a store that is there is listed as deleted:\n%s", text)
	}
	c.want(exitDone, "acme ("+id+") is back", "", "store", "undelete", id)
	c.want(exitDone, id, "", "store", "get", "acme")
}
