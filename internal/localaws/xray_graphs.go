package localaws

import (
	"cmp"
	"strings"
	"time"
)

type serviceGraphInput struct {
	StartTime timestamp `json:"StartTime"`
	EndTime   timestamp `json:"EndTime"`
	GroupName string    `json:"GroupName"`
	GroupARN  string    `json:"GroupARN"`
	NextToken string    `json:"NextToken"`
}

type serviceGraphOutput struct {
	StartTime                timestamp       `json:"StartTime,omitzero"`
	EndTime                  timestamp       `json:"EndTime,omitzero"`
	Services                 []*graphService `json:"Services"`
	ContainsOldGroupVersions *bool           `json:"ContainsOldGroupVersions,omitempty"`
	NextToken                string          `json:"NextToken,omitempty"`
}

// A graphPosition is the index of the service that a page begins with.
type graphPosition struct {
	Query string // fingerprint of the request that the token belongs to
	Next  int
}

// serviceGraph is GetServiceGraph: of the traces that started in the window.
func (s *traceStore) serviceGraph(c *call, in serviceGraphInput) (serviceGraphOutput, error) {
	var out serviceGraphOutput
	switch {
	case in.StartTime.IsZero() || in.EndTime.IsZero():
		return out, xrayInvalid("StartTime and EndTime are required.")
	case !in.StartTime.Before(in.EndTime.Time):
		return out, xrayInvalid("StartTime must be before EndTime.")
	case in.EndTime.Sub(in.StartTime.Time) > maxGraphWindow:
		return out, xrayInvalid("Time range cannot be longer than 6 hours.")
	}
	if group := cmp.Or(in.GroupName, in.GroupARN[strings.LastIndexByte(in.GroupARN, '/')+1:]); group != "" && group != defaultGroupName {
		return out, xrayInvalid("The group %s does not exist.", group)
	}
	out, err := s.graphPage(c, in.NextToken, []any{in.StartTime, in.EndTime}, func(g *graph) {
		for _, t := range s.traces {
			if _, ok := t.within("TraceId", in.StartTime.Time, in.EndTime.Time); ok && s.summarised(t) {
				g.add(t)
			}
		}
	})
	out.StartTime, out.EndTime, out.ContainsOldGroupVersions = in.StartTime, in.EndTime, new(false)
	return out, err
}

// maxGraphWindow is the longest window that the console asks a graph of.
const maxGraphWindow = 6 * time.Hour

// defaultGroupName is the group that every account has.
const defaultGroupName = "Default"

// graphPage builds a graph under the lock and cuts the page that a token names.
func (s *traceStore) graphPage(c *call, token string, query []any, fill func(*graph)) (serviceGraphOutput, error) {
	out := serviceGraphOutput{Services: []*graphService{}}
	from := graphPosition{Query: fingerprint(query...)}
	if err := s.resumeXRay(c, token, &from, &from.Query); err != nil {
		return out, err
	}
	if s.trouble.emptyPage(c) {
		out.NextToken = s.tokens.seal(c.Time, from)
		return out, nil
	}
	g := newGraph(c.Account)
	s.mu.Lock()
	fill(g)
	s.mu.Unlock()
	all := g.services()
	end := min(from.Next+servicesPerPage, len(all))
	out.Services = all[min(from.Next, end):end]
	if end < len(all) {
		out.NextToken = s.tokens.seal(c.Time, graphPosition{from.Query, end})
	}
	return out, nil
}

type traceGraphInput struct {
	TraceIDs  []string `json:"TraceIds"`
	NextToken string   `json:"NextToken"`
}

// traceGraph is GetTraceGraph; unknown ids add nothing.
func (s *traceStore) traceGraph(c *call, in traceGraphInput) (serviceGraphOutput, error) {
	if len(in.TraceIDs) == 0 {
		return serviceGraphOutput{}, xrayInvalid("TraceIds must not be empty.")
	}
	return s.graphPage(c, in.NextToken, []any{in.TraceIDs}, func(g *graph) {
		for _, id := range in.TraceIDs {
			if t := s.traces[id]; t != nil && !t.searched() {
				g.add(t)
			}
		}
	})
}

type retrievedGraphInput struct {
	RetrievalToken string `json:"RetrievalToken"`
	NextToken      string `json:"NextToken"`
}

type retrievedGraphOutput struct {
	RetrievalStatus string             `json:"RetrievalStatus"`
	Services        []retrievedService `json:"Services"`
	NextToken       string             `json:"NextToken,omitempty"`
}

type retrievedService struct {
	Service *graphService `json:"Service"`
	Links   []struct{}    `json:"Links"`
}

// retrievedGraph is GetRetrievedTracesGraph.
func (s *traceStore) retrievedGraph(c *call, in retrievedGraphInput) (retrievedGraphOutput, error) {
	out := retrievedGraphOutput{Services: []retrievedService{}}
	s.mu.Lock()
	r, err := s.retrievalOf(in.RetrievalToken)
	s.mu.Unlock()
	if err != nil {
		return out, err
	}
	if out.RetrievalStatus = r.status(c.Time); out.RetrievalStatus != "COMPLETE" {
		return out, nil
	}
	page, err := s.graphPage(c, in.NextToken, []any{in.RetrievalToken}, func(g *graph) {
		for _, t := range s.retrieved(r) {
			g.add(t)
		}
	})
	if err != nil {
		return out, err
	}
	for _, service := range page.Services {
		out.Services = append(out.Services, retrievedService{service, []struct{}{}})
	}
	out.NextToken = page.NextToken
	return out, nil
}

type groupsOutput struct {
	Groups []xrayGroup `json:"Groups"`
}

type xrayGroup struct {
	GroupName string `json:"GroupName"`
	GroupARN  string `json:"GroupARN"`
}

// groups is GetGroups: the one that every account has, which holds all traces.
func groups(c *call, _ struct{}) (groupsOutput, error) {
	return groupsOutput{[]xrayGroup{{defaultGroupName, c.arn("group/" + defaultGroupName)}}}, nil
}
