// Package gateway is the sample fleet's front door. It owns no data: it hands
// each request to the orders service, with the client's correlation id.
package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"

	"muster/samples/telemetry"
)

// maxBody is far more than any order has; it keeps a client from filling memory.
const maxBody = 1 << 20

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
	g.t.Handle(mux, "POST /orders", g.place)
	g.t.Handle(mux, "GET /orders/{id}", g.read)
}

func (g *Gateway) place(w http.ResponseWriter, r *http.Request) error {
	var order json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&order); err != nil {
		return &telemetry.Refusal{Status: http.StatusBadRequest, Reason: "the body is no JSON"}
	}
	var placed json.RawMessage
	if err := g.t.Call(r.Context(), g.orders, http.MethodPost, "/orders", order, &placed); err != nil {
		return err
	}
	g.t.Log.InfoContext(r.Context(), "order accepted")
	return telemetry.Answer(w, http.StatusCreated, placed)
}

func (g *Gateway) read(w http.ResponseWriter, r *http.Request) error {
	var order json.RawMessage
	path := "/orders/" + url.PathEscape(r.PathValue("id"))
	if err := g.t.Call(r.Context(), g.orders, http.MethodGet, path, nil, &order); err != nil {
		return err
	}
	g.t.Log.InfoContext(r.Context(), "order read", "order", r.PathValue("id"))
	return telemetry.Answer(w, http.StatusOK, order)
}
