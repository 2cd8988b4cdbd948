package collectors

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"

	"muster/fleet"
)

// nodeKey tells nodes of the service graph apart, as X-Ray does.
type nodeKey struct{ name, kind string }

// graphNode is a node of the service graph.
type graphNode struct {
	nodeKey
	names    []string // by which its segments may go, its own among them
	accounts []string // that it runs in; none where X-Ray does not say
	requests int64
}

// oldGroupError says that the graph is of several filter expressions.
type oldGroupError struct{ group string }

func (e *oldGroupError) Error() string {
	return "the filter expression of group " + e.group + " was changed within the window"
}

// serviceGraph counts the requests of every node in a window, however long.
func (t *traces) serviceGraph(ctx context.Context, client *xray.Client, w fleet.Window) (map[nodeKey]*graphNode, error) {
	all := map[nodeKey]*graphNode{}
	for s := newSlicer(w, xraySlice, xraySlice); s.more(); {
		var part []types.Service
		err := t.afresh(ctx, func() (err error) {
			part, err = t.graphSlice(ctx, client, s.slice())
			return err
		})
		if err != nil && ctx.Err() == nil && isRefused(err) && s.width > xrayLeastSlice {
			s.width = max(s.width/2, xrayLeastSlice)
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range part {
			addNode(all, &part[i])
		}
		s.done(1)
	}
	return all, nil
}

// graphSlice reads one slice of the graph. Its last millisecond is left out, so
// that a trace which begins with the next slice is in one of them only, whether
// or not AWS counts the end; ids have whole seconds.
func (t *traces) graphSlice(ctx context.Context, client *xray.Client, w fleet.Window) ([]types.Service, error) {
	in := &xray.GetServiceGraphInput{StartTime: &w.Start, EndTime: aws.Time(w.End.Add(-time.Millisecond))}
	if t.XRayGroup != "" {
		in.GroupName = &t.XRayGroup
	}
	var all []types.Service
	var p pager
	for {
		page, err := call(ctx, &t.source, "xray:GetServiceGraph", client.GetServiceGraph, in)
		if err != nil {
			return nil, &windowError{err}
		}
		if page.ContainsOldGroupVersions && t.XRayGroup != "" {
			return nil, &oldGroupError{t.XRayGroup}
		}
		all = append(all, page.Services...)
		more, err := p.next(page.NextToken)
		if err != nil || !more {
			return all, err
		}
		in.NextToken = page.NextToken
	}
}

// addNode adds a node's requests. A client has none of its own, and what is remote
// sends no segments.
func addNode(all map[nodeKey]*graphNode, s *types.Service) {
	key := nodeKey{clean(aws.ToString(s.Name)), clean(aws.ToString(s.Type))}
	if s.SummaryStatistics == nil || key.kind == "client" || key.kind == "remote" {
		return
	}
	n := all[key]
	if n == nil {
		n = &graphNode{nodeKey: key, names: []string{key.name}}
		all[key] = n
	}
	n.requests += aws.ToInt64(s.SummaryStatistics.TotalCount)
	for _, name := range s.Names {
		n.names = append(n.names, clean(name))
	}
	if s.AccountId != nil {
		n.accounts = append(n.accounts, *s.AccountId)
	}
}
