package localaws

import (
	"context"
	"fmt"
	"net/http"
	"sync"
)

// A place is an account and a region: AWS shares no state between two of them,
// and neither does the stand-in.
type place struct{ account, region string }

func (c *call) place() place { return place{c.Account, c.Region} }

// regions are AWS's commercial regions. A signature for another one is refused,
// which also bounds how many places there can be.
var regions = map[string]bool{
	"us-east-1": true, "us-east-2": true, "us-west-1": true, "us-west-2": true,
	"af-south-1": true, "ap-east-1": true, "ap-east-2": true, "ap-south-1": true, "ap-south-2": true,
	"ap-northeast-1": true, "ap-northeast-2": true, "ap-northeast-3": true,
	"ap-southeast-1": true, "ap-southeast-2": true, "ap-southeast-3": true, "ap-southeast-4": true,
	"ap-southeast-5": true, "ap-southeast-6": true, "ap-southeast-7": true,
	"ca-central-1": true, "ca-west-1": true, "eu-central-1": true, "eu-central-2": true,
	"eu-north-1": true, "eu-south-1": true, "eu-south-2": true, "eu-west-1": true, "eu-west-2": true, "eu-west-3": true,
	"il-central-1": true, "me-central-1": true, "me-south-1": true, "mx-central-1": true, "sa-east-1": true,
}

// checkRegion refuses a signature for a region that AWS does not have.
func (s *Server) checkRegion(c *call) *apiError {
	if regions[c.Region] || c.Region == s.region {
		return nil
	}
	return &apiError{
		Code: "InvalidSignatureException", Status: http.StatusBadRequest,
		Message: fmt.Sprintf("Credential should be scoped to a valid region, not '%s'.", c.Region),
	}
}

// placed keeps a service's state for each place, made when it is first used.
// Safe for concurrent use.
type placed[T any] struct {
	create     func(place) T
	operations func(T) map[string]operation

	mu  sync.Mutex
	all map[place]placedState[T]
}

type placedState[T any] struct {
	state      T
	operations map[string]operation
}

func newPlaced[T any](create func(place) T, operations func(T) map[string]operation) *placed[T] {
	return &placed[T]{create: create, operations: operations, all: make(map[place]placedState[T])}
}

// at is the state of a place.
func (p *placed[T]) at(where place) T { return p.find(where).state }

func (p *placed[T]) find(where place) placedState[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, ok := p.all[where]
	if !ok {
		state := p.create(where)
		found = placedState[T]{state, p.operations(state)}
		p.all[where] = found
	}
	return found
}

// each calls f with the state of every place that was used.
func (p *placed[T]) each(f func(T)) {
	p.mu.Lock()
	states := make([]T, 0, len(p.all))
	for _, s := range p.all {
		states = append(states, s.state)
	}
	p.mu.Unlock()
	for _, s := range states {
		f(s)
	}
}

// registerPlaced adds a service whose calls go to the state of their own place.
func registerPlaced[T any](s *Server, service string, p *placed[T]) {
	ops := make(map[string]operation)
	for name := range p.find(place{s.account, s.region}).operations {
		ops[name] = func(ctx context.Context, c *call) (any, error) {
			return p.find(c.place()).operations[name](ctx, c)
		}
	}
	s.register(service, ops)
}
