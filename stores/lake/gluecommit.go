package lake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
)

const (
	// updateTries is how often a commit is sent to Glue while it is unclear what
	// became of it. The SDK sends each several times by itself.
	updateTries = 4
	// updateWait is before the second try, and doubles. A request on its way was
	// applied or is gone in seconds.
	updateWait = 250 * time.Millisecond
)

// CommitTable implements table.CatalogIO.
//
// No answer is taken at its word but the one that says yes: after a conflict, a
// time-out or a cut connection the update may have been applied, and after a
// conflict with an earlier try of its own it may be applied yet. What the table
// holds decides. Sending the same update again is safe while the table is at
// the version that it was made for: Glue applies it once.
func (c *glueCatalog) CommitTable(ctx context.Context, id table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	name := id[len(id)-1]
	current, entry, err := c.load(ctx, name)
	if err != nil {
		return nil, "", err
	}
	next, err := successor(current, reqs, updates)
	if err != nil {
		return nil, "", err
	}
	if aws.ToString(entry.VersionId) == "" {
		return nil, "", fmt.Errorf("Glue gave no version of table %s.%s to compare: nothing is committed without", c.database, glueName(name)) //nolint:staticcheck // a name
	}
	s := swap{glueCatalog: c, name: name, entry: entry, base: current.Metadata(), next: next}
	if s.staged, err = stageMetadata(c.files(ctx), next, current.MetadataLocation()); err != nil {
		return nil, "", err
	}
	if err := s.commit(ctx); err != nil {
		if errors.Is(err, table.ErrCommitFailed) {
			err = errors.Join(err, c.files(ctx).Remove(s.staged))
		}
		return nil, "", err
	}
	c.known.keep(name, s.staged, next)
	return next, s.staged, nil
}

// swap moves a table from one metadata file to the next.
type swap struct {
	*glueCatalog
	name       string
	entry      *types.Table // as it was read
	base, next table.Metadata
	staged     string // where next lies
}

func (s *swap) commit(ctx context.Context) error {
	wait := updateWait
	var err error
	for range updateTries {
		if err = s.send(ctx); err == nil {
			return nil
		}
		done, settled, lookErr := s.look(ctx)
		switch {
		case lookErr != nil:
			return errors.Join(err, lookErr)
		case done:
			return nil
		case settled:
			return fmt.Errorf("%w: %w", table.ErrCommitFailed, err)
		case !unclear(err):
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(err, ctx.Err())
		case <-timer.C:
		}
		wait *= 2
	}
	return fmt.Errorf("sent %d times, and the table is where it was: %w", updateTries, err)
}

func (s *swap) send(ctx context.Context) error {
	_, err := s.client.UpdateTable(ctx, &glue.UpdateTableInput{
		DatabaseName: &s.database, VersionId: s.entry.VersionId,
		// Iceberg keeps the history; Glue's own copy of each version has a quota.
		SkipArchive: aws.Bool(true),
		TableInput:  tableInput(s.entry, s.name, s.next, s.staged, s.entry.Parameters[paramMetadata]),
	})
	if err != nil {
		return s.explain("glue:UpdateTable", glueName(s.name), err)
	}
	return nil
}

// look reads the table to see what became of the update: done when it has been
// applied, settled when it can no longer be, since the table is at another
// version than the update was made for.
func (s *swap) look(ctx context.Context) (done, settled bool, err error) {
	entry, err := s.glueCatalog.entry(ctx, s.name)
	if err != nil {
		return false, false, err
	}
	if aws.ToString(entry.VersionId) == aws.ToString(s.entry.VersionId) {
		return false, false, nil
	}
	at := entry.Parameters[paramMetadata]
	if at == s.staged {
		return true, true, nil
	}
	meta, err := s.metadata(ctx, s.name, at)
	if err != nil {
		return false, false, err
	}
	return s.within(meta), true, nil
}

// within reports whether metadata came after what was staged.
func (s *swap) within(meta table.Metadata) bool {
	for e := range meta.PreviousFiles() {
		if e.MetadataFile == s.staged {
			return true
		}
	}
	added := s.next.CurrentSnapshot()
	return added != nil && s.base.SnapshotByID(added.SnapshotID) == nil && meta.SnapshotByID(added.SnapshotID) != nil
}

// unclear reports whether an update that Glue did not confirm may yet be
// applied, or be applied when it is sent again.
func unclear(err error) bool {
	switch code(err) {
	case "", "ConcurrentModificationException", "ThrottlingException", "OperationTimeoutException", "InternalServiceException", "ResourceNotReadyException":
		return true
	}
	answer, _ := status(err)
	return answer >= 500
}
