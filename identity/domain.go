package identity

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/ostiary/ostiary"
)

// Domain is a mail domain that an organization says is its own. It counts once that is verified.
type Domain struct {
	Name          string // normal: lower case, ASCII
	RecordName    string // of the TXT record that proves it
	RecordText    string // what the record holds
	AddedNanos    int64
	VerifiedNanos int64  // 0: not yet
	VerifiedBy    string // who asked, "preshared 3f9a1c0b"
	Confirmed     bool   // by an operator's word, and not by DNS
}

// domainBody is what an organization claims. Several of a store may claim one domain.
type domainBody struct {
	form
	Challenge     string `json:"challenge"`
	AddedNanos    int64  `json:"added"`
	VerifiedNanos int64  `json:"verified,omitempty"`
	VerifiedBy    string `json:"verified_by,omitempty"`
	Confirmed     bool   `json:"confirmed,omitempty"`
}

// domainOwnerBody says which organization of a store a verified domain belongs to: there is one.
type domainOwnerBody struct {
	form
	Organization string `json:"organization"`
}

const (
	// maxDomains bounds the domains of an organization.
	maxDomains = 100
	// maxDomainBytes leaves room for the label of the record's name.
	maxDomainBytes   = 253 - len(domainRecordLabel)
	domainRecordName = "_ostiary-challenge"
	domainRecordText = "ostiary-domain-verification="

	domainRecordLabel = domainRecordName + "."
	// lookupTimeout bounds the look at the DNS, and maxRecords what of its answer is compared.
	lookupTimeout = 5 * time.Second
	maxRecords    = 100
)

func domainsOf(store, organization string) string { return "domain/" + store + "/" + organization }

func domainKey(store, organization, name string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: domainsOf(store, organization), Key: name}
}

// domainOwnersOf keeps the stores that have an organization with the verified domain.
func domainOwnersOf(name string) string { return "domain-owner/" + name }

func domainOwnerKey(store, name string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: domainOwnersOf(name), Key: store}
}

// toASCII maps a name as it is looked up: lower case, punycode, letters, digits and hyphens alone.
var toASCII = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// NormalDomain returns the normal form of a domain, in which it is stored and compared. What is no domain of
// anybody's own is refused: an address, one label, or a suffix such as co.uk under which strangers register.
func NormalDomain(text string) (string, error) {
	name, err := toASCII.ToASCII(strings.TrimSuffix(text, "."))
	if err != nil {
		return "", invalid("%.100q is not a domain", text)
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	suffix, registry := publicsuffix.PublicSuffix(name)
	switch {
	case len(name) > maxDomainBytes:
		return "", invalid("the domain %.100q… has %d bytes, and may have %d", name, len(name), maxDomainBytes)
	case last == name:
		return "", invalid("%q is one label, and a domain has two or more: example.com", name)
	case strings.Trim(last, "0123456789") == "":
		return "", invalid("%q is an address, and not a domain", name)
	case registry && suffix == name:
		return "", invalid("%q is a suffix under which anybody can register a domain", name)
	}
	return name, nil
}

func decodeDomain(d ostiary.Document) (Domain, error) {
	body, err := decode[domainBody](d)
	return Domain{
		Name: d.Key.Key, RecordName: domainRecordLabel + d.Key.Key, RecordText: domainRecordText + body.Challenge,
		AddedNanos: body.AddedNanos, VerifiedNanos: body.VerifiedNanos, VerifiedBy: body.VerifiedBy, Confirmed: body.Confirmed,
	}, err
}

// readDomain returns a domain that an organization claims.
func readDomain(v View, store, organization, name string) (Domain, ostiary.Document, error) {
	d, there, err := v.Document(domainKey(store, organization, name))
	if err == nil && !there {
		err = fmt.Errorf("organization %q has no domain %s, 'ostiary org domain add' adds one: %w", organization, name, ostiary.ErrNotFound)
	}
	if err != nil {
		return Domain{}, d, err
	}
	domain, err := decodeDomain(d)
	return domain, d, err
}

// domainOwner returns the organization of a store to which a verified domain belongs; empty where there is
// none.
func domainOwner(v View, store, name string) (organization string, d ostiary.Document, err error) {
	d, there, err := v.Document(domainOwnerKey(store, name))
	d.Key = domainOwnerKey(store, name)
	if err != nil || !there {
		return "", d, err
	}
	body, err := decode[domainOwnerBody](d)
	return body.Organization, d, err
}

func judgeDomainOwner(v View, store, organization, name string) (ostiary.Document, error) {
	owner, d, err := domainOwner(v, store, name)
	if err == nil && owner != "" && owner != organization {
		err = fmt.Errorf("domain %s is verified for organization %q, which must remove it first: %w", name, owner, ostiary.ErrExists)
	}
	return d, err
}

// AddDomain notes that an organization says a domain is its own, and returns it with the record that proves
// it. A domain that it has noted already is returned as it is.
func (s *Service) AddDomain(ctx context.Context, store, organization, name string) (Domain, ostiary.Receipt, error) {
	name, err := NormalDomain(name)
	if err != nil {
		return Domain{}, ostiary.Receipt{}, err
	}
	var domain Domain
	row := &audit{store: store, organization: organization, resource: name, action: "domain.add"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		if domain, _, err = readDomain(v, store, organization, name); !errors.Is(err, ostiary.ErrNotFound) {
			return err // or it has been noted already, and nothing changes
		}
		if err := restOnOrganization(v, m, store, organization); err != nil {
			return err
		}
		if _, err := judgeDomainOwner(v, store, organization, name); err != nil {
			return err
		}
		n, err := v.CountDocuments(domainsOf(store, organization))
		if err != nil {
			return err
		}
		if n >= maxDomains {
			return fmt.Errorf("organization %q has %d domains, and may have %d: remove one first: %w", organization, n, maxDomains, ostiary.ErrTooBroad)
		}
		random := make([]byte, 20)
		rand.Read(random) // never fails
		change := put(domainKey(store, organization, name), domainBody{
			form: form{bodyForm}, Challenge: strings.ToLower(base32.StdEncoding.EncodeToString(random)), AddedNanos: m.TimeNanos})
		m.Preconditions = append(m.Preconditions, absent(change.Key))
		m.Documents = append(m.Documents, change)
		domain, err = decodeDomain(ostiary.Document{Key: change.Key, Body: change.Body})
		return err
	})
	return domain, receipt, err
}

// restOnOrganization demands that an organization exist, and writes it again, so that of what is made of it
// at once each counts the others, and that it is not deleted meanwhile.
func restOnOrganization(v View, m *ostiary.Mutation, store, organization string) error {
	if err := restOnStore(v, m, store); err != nil {
		return err
	}
	_, d, err := readOrganization(v, store, organization)
	if err != nil {
		return err
	}
	m.Preconditions = append(m.Preconditions, at(d))
	m.Documents = append(m.Documents, ostiary.DocumentChange{Key: d.Key, Body: d.Body})
	return nil
}

// VerifyDomain makes a domain that the organization has noted count as its own, where the TXT record is
// there, or by an operator's word. Of the organizations of a store one can have it.
func (s *Service) VerifyDomain(ctx context.Context, store, organization, name string, confirm bool) (Domain, ostiary.Receipt, error) {
	name, err := NormalDomain(name)
	if err != nil {
		return Domain{}, ostiary.Receipt{}, err
	}
	proven, err := s.proveDomain(ctx, store, organization, name, confirm)
	if err != nil {
		return Domain{}, ostiary.Receipt{}, err
	}
	var domain Domain
	action := "domain.verify"
	if confirm {
		action = "domain.confirm"
	}
	row := &audit{store: store, organization: organization, resource: name, action: action}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		var d ostiary.Document
		if domain, d, err = readDomain(v, store, organization, name); err != nil || domain.VerifiedNanos != 0 {
			return err
		}
		if domain.RecordText != proven {
			return fmt.Errorf("domain %s was removed and added again meanwhile: %w", name, ostiary.ErrConflict)
		}
		if err := restOnOrganization(v, m, store, organization); err != nil {
			return err
		}
		owner, err := judgeDomainOwner(v, store, organization, name)
		if err != nil {
			return err
		}
		body, err := decode[domainBody](d)
		if err != nil {
			return err
		}
		body.VerifiedNanos, body.VerifiedBy, body.Confirmed = m.TimeNanos, m.Principal.String(), confirm
		change := put(d.Key, body)
		m.Preconditions = append(m.Preconditions, at(d), at(owner))
		m.Documents = append(m.Documents, change, put(owner.Key, domainOwnerBody{form{bodyForm}, organization}))
		domain, err = decodeDomain(ostiary.Document{Key: d.Key, Body: change.Body})
		return err
	})
	return domain, receipt, err
}

// proveDomain returns the text of the record by which a domain is proven. One that is verified, or that an
// operator confirms, is not looked up.
func (s *Service) proveDomain(ctx context.Context, store, organization, name string, confirm bool) (string, error) {
	v, err := s.backend.View(ctx, ostiary.Freshness{Linearizable: true}) // it may have been added on another node
	if err != nil {
		return "", err
	}
	domain, err := func() (Domain, error) {
		defer v.Close()
		if err := storeExists(v, store); err != nil {
			return Domain{}, err
		}
		if _, _, err := readOrganization(v, store, organization); err != nil {
			return Domain{}, err
		}
		domain, _, err := readDomain(v, store, organization, name)
		return domain, err
	}()
	if err != nil || confirm || domain.VerifiedNanos != 0 {
		return domain.RecordText, err
	}
	return domain.RecordText, s.lookUpRecord(ctx, domain)
}

// lookUpRecord returns nil where the TXT record of a domain is there.
func (s *Service) lookUpRecord(ctx context.Context, domain Domain) error {
	lookUp := s.options.LookUpTXT
	if lookUp == nil {
		lookUp = net.DefaultResolver.LookupTXT
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	records, err := lookUp(ctx, domain.RecordName+".") // with a dot, so that no search path is tried
	var missing *net.DNSError
	switch {
	case errors.As(err, &missing) && missing.IsNotFound:
		records = nil
	case err != nil:
		return fmt.Errorf("look up the TXT record of %s: %v: %w", domain.RecordName, err, ErrUnproven)
	}
	if slices.Contains(records[:min(len(records), maxRecords)], domain.RecordText) {
		return nil
	}
	return fmt.Errorf("%s has %d TXT records, and none is %q; a new one may take a while to be seen: %w",
		domain.RecordName, len(records), domain.RecordText, ErrUnproven)
}

// ErrUnproven: the DNS does not say now that a domain is the organization's.
var ErrUnproven = errors.New("the domain is not verified")

// RemoveDomain ends what AddDomain and VerifyDomain made.
func (s *Service) RemoveDomain(ctx context.Context, store, organization, name string) (ostiary.Receipt, error) {
	name, err := NormalDomain(name)
	if err != nil {
		return ostiary.Receipt{}, err
	}
	row := &audit{store: store, organization: organization, resource: name, action: "domain.remove"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		if _, _, err := readOrganization(v, store, organization); err != nil {
			return err
		}
		domain, d, err := readDomain(v, store, organization, name)
		if err != nil {
			return err
		}
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, domainRemovals(store, domain, d)...)
		return nil
	})
}

// domainRemovals are the changes that remove a domain of an organization.
func domainRemovals(store string, domain Domain, d ostiary.Document) []ostiary.DocumentChange {
	changes := []ostiary.DocumentChange{remove(d.Key)}
	if domain.VerifiedNanos != 0 {
		changes = append(changes, remove(domainOwnerKey(store, domain.Name)))
	}
	return changes
}

// removeDomains makes the removal of an organization's domains part of a mutation that deletes it.
func removeDomains(ctx context.Context, v View, m *ostiary.Mutation, store, organization string) error {
	for d, err := range ostiary.EachDocument(ctx, v, domainsOf(store, organization), "") {
		if err != nil {
			return err
		}
		domain, err := decodeDomain(d)
		if err != nil {
			return err
		}
		m.Documents = append(m.Documents, domainRemovals(store, domain, d)...)
	}
	return nil
}

// Domains returns the domains that an organization claims, verified or not, by name.
func (s *Service) Domains(ctx context.Context, store, organization string) (all []Domain, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		if _, _, err := readOrganization(v, store, organization); err != nil {
			return err
		}
		for d, err := range ostiary.EachDocument(ctx, v, domainsOf(store, organization), "") {
			if err != nil {
				return err
			}
			domain, err := decodeDomain(d)
			if err != nil {
				return err
			}
			all = append(all, domain)
		}
		return nil
	})
	return all, err
}
