package raftstore

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/raftstore/backup"
)

// restorePlan is what a restore reads, in order: a full backup, and the increments up to what is asked for.
type restorePlan struct{ parts []restorePart }

type restorePart struct {
	source   BackupSource
	manifest backup.Manifest
}

// planRestore reads the manifests and puts the backups in order.
func planRestore(o RestoreOptions) (p restorePlan, err error) {
	if o.ToRevision != 0 && o.ToNanos != 0 {
		return p, errors.New("a revision and a time are asked for: name one")
	}
	for _, source := range o.Sources {
		m, err := manifestOf(source)
		if err != nil {
			return p, fmt.Errorf("%s: %w", source.Name, err)
		}
		p.parts = append(p.parts, restorePart{source: source, manifest: m})
	}
	slices.SortStableFunc(p.parts, func(a, b restorePart) int {
		return cmp.Or(cmp.Compare(a.manifest.Revision, b.manifest.Revision), cmp.Compare(a.manifest.Since, b.manifest.Since))
	})
	if err := p.follow(); err != nil {
		return p, err
	}
	return p, p.cut(o)
}

func manifestOf(source BackupSource) (m backup.Manifest, err error) {
	file, err := source.Open()
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	in, err := backup.NewReader(file)
	if err != nil {
		return m, err
	}
	in.Close()
	return in.Manifest(), nil
}

// follow demands one full backup and increments that each begin where the one before it ends, or earlier.
func (p restorePlan) follow() error {
	if len(p.parts) == 0 {
		return errors.New("there is no backup: name a full one")
	}
	first := p.parts[0]
	if !first.manifest.Full() {
		return fmt.Errorf("%s is an increment that begins at revision %d: name the full backup that it follows from, too",
			first.source.Name, first.manifest.Since)
	}
	for i, part := range p.parts[1:] {
		before := p.parts[i]
		switch m := part.manifest; {
		case m.Cluster != first.manifest.Cluster:
			return fmt.Errorf("%s is of cluster %s and %s of cluster %s: name backups of one cluster",
				first.source.Name, first.manifest.Cluster, part.source.Name, m.Cluster)
		case m.Full():
			return fmt.Errorf("%s and %s are both full backups: name one", first.source.Name, part.source.Name)
		case m.Revision == before.manifest.Revision:
			return fmt.Errorf("%s and %s both end at revision %d: name one", before.source.Name, part.source.Name, m.Revision)
		case m.Since > before.manifest.Revision:
			return fmt.Errorf("%s ends at revision %d and %s begins at %d: an increment between them is missing",
				before.source.Name, before.manifest.Revision, part.source.Name, m.Since)
		}
	}
	return nil
}

// cut drops the increments that lie behind what is asked for, and refuses what is not covered.
func (p *restorePlan) cut(o RestoreOptions) error {
	n := len(p.parts)
	if o.ToRevision == 0 && o.ToNanos == 0 {
		return nil
	}
	last := p.parts[n-1].manifest
	reaches := func(m backup.Manifest) bool { return m.Revision >= o.ToRevision }
	if o.ToNanos != 0 {
		reaches = func(m backup.Manifest) bool { return m.TakenNanos >= o.ToNanos }
	}
	at := slices.IndexFunc(p.parts, func(part restorePart) bool { return reaches(part.manifest) })
	switch {
	case at < 0 && o.ToNanos != 0:
		return fmt.Errorf("the backups reach to %s, and %s is asked for; name a later backup too: %w", last.Taken().Format(time.RFC3339Nano),
			time.Unix(0, o.ToNanos).UTC().Format(time.RFC3339Nano), ostiary.ErrRevisionNotYet)
	case at < 0:
		return fmt.Errorf("the backups reach to revision %d, and %d is asked for; name a later backup too: %w", last.Revision, o.ToRevision, ostiary.ErrRevisionNotYet)
	}
	p.parts = p.parts[:at+1]
	if low := max(p.parts[at].manifest.LowWater, 1); o.ToRevision != 0 && o.ToRevision < low {
		return fmt.Errorf("%s tells of revisions from %d on, and %d is asked for: %w",
			p.parts[at].source.Name, low, o.ToRevision, ostiary.ErrRevisionGone)
	}
	return nil
}
