// Package gateway is the sample fleet's front door. It owns no data: it hands
// each request to the orders service, with the client's correlation id. Its API
// has stages, and versions that answer differently.
package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"muster/samples/telemetry"
)

// maxBody is far more than any order has; it keeps a client from filling memory.
const maxBody = 1 << 20

// API is a stage and a version of the gateway's API.
type API struct{ Stage, Version string }

// Path is the beginning of the API's paths; the zero API has none.
func (a API) Path() string {
	if a == (API{}) {
		return ""
	}
	return "/" + a.Stage + "/" + a.Version
}

// APIs are the ones that there are. Without a path it is the first.
func APIs() []API {
	return []API{{"prod", "v1"}, {"prod", "v2"}, {"canary", "v2"}}
}

// Gateway answers clients.
type Gateway struct {
	t      *telemetry.Telemetry
	orders telemetry.Peer
}

// New is a gateway before the orders service.
func New(t *telemetry.Telemetry, orders telemetry.Peer) *Gateway {
	return &Gateway{t: t, orders: orders}
}

// Routes adds what clients may ask for.
func (g *Gateway) Routes(mux *http.ServeMux) {
	g.offer(mux, "", APIs()[0])
	for _, api := range APIs() {
		g.offer(mux, api.Path(), api)
	}
}

func (g *Gateway) offer(mux *http.ServeMux, path string, api API) {
	g.t.Handle(mux, "POST "+path+"/orders", func(w http.ResponseWriter, r *http.Request) error { return g.place(w, r, api) })
	g.t.Handle(mux, "GET "+path+"/orders/{id}", func(w http.ResponseWriter, r *http.Request) error { return g.read(w, r, api) })
}

func (g *Gateway) place(w http.ResponseWriter, r *http.Request, api API) error {
	ctx := r.Context()
	if err := g.describe(ctx, api); err != nil {
		return err
	}
	var order json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&order); err != nil {
		return &telemetry.Refusal{Status: http.StatusBadRequest, Reason: "the body is no JSON"}
	}
	var placed json.RawMessage
	if err := g.t.Call(ctx, g.orders, http.MethodPost, "/orders", order, &placed); err != nil {
		return err
	}
	g.t.Log.InfoContext(ctx, "order accepted", "api_stage", api.Stage, "api_version", api.Version)
	return api.answer(w, http.StatusCreated, placed)
}

func (g *Gateway) read(w http.ResponseWriter, r *http.Request, api API) error {
	ctx := r.Context()
	if err := g.describe(ctx, api); err != nil {
		return err
	}
	var order json.RawMessage
	path := "/orders/" + url.PathEscape(r.PathValue("id"))
	if err := g.t.Call(ctx, g.orders, http.MethodGet, path, nil, &order); err != nil {
		return err
	}
	g.t.Log.InfoContext(ctx, "order read", "order", r.PathValue("id"), "api_stage", api.Stage, "api_version", api.Version)
	return api.answer(w, http.StatusOK, order)
}

func (g *Gateway) describe(ctx context.Context, api API) error {
	return errors.Join(g.t.Annotate(ctx, "api_stage", api.Stage), g.t.Annotate(ctx, "api_version", api.Version))
}

// answer is the order itself in the first version, and an object with room for
// more from the second on.
func (a API) answer(w http.ResponseWriter, status int, order json.RawMessage) error {
	if a.Version == "v1" {
		return telemetry.Answer(w, status, order)
	}
	return telemetry.Answer(w, status, map[string]any{"order": order, "api": a.Version})
}
