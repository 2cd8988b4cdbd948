package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"muster/internal/localaws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRunServesAServiceUntilItIsStopped(t *testing.T) {
	server, err := localaws.Start(t.Context(), localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	t.Setenv("AWS_ACCESS_KEY_ID", localaws.BootstrapKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", localaws.BootstrapSecret)
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/absent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/absent")

	fraud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"verdict":"accepted"}`) // the client is gone when this fails
	}))
	defer fraud.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{
			"payments", "--endpoint-url", server.Endpoint(), "--daemon", server.DaemonAddr(), "--fault", "payment-refused",
			"--peer", "fraud=" + fraud.URL,
		}, write, io.Discard)
		ended <- err
		write.CloseWithError(err)
	}()
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(strings.TrimPrefix(line, "payments listens on "))
	if status := post(t, url+"/payments", `{"order":"o-1","cents":100}`); status != http.StatusCreated {
		t.Errorf("a small payment is answered with %d, want 201", status)
	}
	if status := post(t, url+"/payments", `{"order":"o-2","cents":99999}`); status != http.StatusPaymentRequired {
		t.Errorf("a large payment is answered with %d, want 402", status)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func post(t *testing.T, url, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestRunRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no service", nil, "which service?"},
		{"another service", []string{"billing"}, "which service?"},
		{"another peer", []string{"orders", "--peer", "billing=http://x"}, "give NAME=URL"},
		{"another fault", []string{"orders", "--fault", "fire"}, "no fault of that name"},
		{"a word too many", []string{"orders", "now"}, `what is "now"?`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := run(t.Context(), c.args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
