package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
)

func TestStoreQuota(t *testing.T) {
	address, _ := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.storeTuples = 7 })
	c := newCLI(t, address)
	id := c.want(exitDone, "", "", "store", "create", "acme")
	c.want(exitDone, "0       7", "", "store", "quota", "list")
	c.want(exitDone, "may have 3 tuples", "", "store", "quota", "set", "acme", "3")
	c.want(exitDone, id+"  0       3", "", "store", "quota", "show", "acme")
	c.want(exitDone, "may get 9 requests a second", "", "store", "quota", "set", "acme", "--rate", "9")
	c.want(exitDone, id+"  0       3   9", "", "store", "quota", "list")
	c.want(exitDone, "as many requests as the server lets", "", "store", "quota", "set", "acme", "--rate", "0")
	c.want(exitUsage, "TUPLES", "", "store", "quota", "set", "acme")
	c.want(exitDone, "any number", "", "store", "quota", "set", "acme", "0")
	c.want(exitDone, "has no quota", "", "store", "quota", "show", "acme")
	c.want(exitUsage, "TUPLES", "", "store", "quota", "set", "acme", "many")
}

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
	c.want(exitFailed, "store list --deleted", "", "store", "undelete", "acme")
	c.want(exitDone, "can come back", "", "store", "delete", "acme", "--yes")
	c.want(exitDone, "acme ("+id+") is back", "", "store", "undelete", "acme")
	c.want(exitDone, "", "", "store", "delete", "acme", "--yes")
	second := c.want(exitDone, "", "", "store", "create", "acme")
	c.want(exitDone, "", "", "store", "delete", second, "--yes")
	c.want(exitUsage, "pass one of their ids", "", "store", "undelete", "acme")
}
