// The same transactions through Coraza 3 with the Core Rule Set module made for it: a yardstick of
// bench/engine.
//
// usage: SECONDS REQUEST...; for each request prints a line "FILE MEDIAN_US STATUS".
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/types"
)

// The page that bench/engine answers with.
const page = `<!DOCTYPE html><html lang="en"><head><title>Shop</title></head><body><h1>Running shoes</h1>` +
	`<p>Forty-two pairs in stock, from 49.95. Free delivery within three days, returns within a month.</p>` +
	`<ul><li>Road</li><li>Trail</li><li>Track</li></ul><p>Questions? Write to us, we answer within a day.</p></body></html>`

// Blocking, bodies inspected in both directions, paranoia 1.
const directives = `
Include @coraza.conf-recommended
SecRuleEngine On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml application/json
SecAuditEngine Off
Include @crs-setup.conf.example
Include @owasp_crs/*.conf
`

type header struct{ name, value string }

type request struct {
	method, target, protocol string
	headers                  []header
	body                     []byte
}

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: SECONDS REQUEST..."))
	}
	budget, err := time.ParseDuration(os.Args[1] + "s")
	check(err)
	start := time.Now()
	waf, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(directives))
	check(err)
	fmt.Printf("load %.2f 0\n", float64(time.Since(start).Microseconds())/1e3)
	for _, path := range os.Args[2:] {
		measure(waf, path, budget)
	}
}

func measure(waf coraza.WAF, path string, budget time.Duration) {
	request := read(path)
	status := transact(waf, request)
	var times []time.Duration
	for start := time.Now(); len(times) == 0 || time.Since(start) < budget; {
		begin := time.Now()
		transact(waf, request)
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	fmt.Printf("%s %.2f %d\n", filepath.Base(path), float64(times[len(times)/2].Nanoseconds())/1e3, status)
}

// One transaction; its status.
func transact(waf coraza.WAF, request request) int {
	transaction := waf.NewTransaction()
	interruption := phases(transaction, request)
	transaction.ProcessLogging()
	check(transaction.Close())
	if interruption != nil {
		return interruption.Status
	}
	return 200
}

func phases(transaction types.Transaction, request request) *types.Interruption {
	transaction.ProcessConnection("203.0.113.7", 40_000, "127.0.0.1", 80)
	transaction.ProcessURI(request.target, request.method, request.protocol)
	for _, header := range request.headers {
		transaction.AddRequestHeader(header.name, header.value)
		if strings.EqualFold(header.name, "host") {
			transaction.SetServerName(header.value)
		}
	}
	if interruption := transaction.ProcessRequestHeaders(); interruption != nil {
		return interruption
	}
	if interruption, _, err := transaction.WriteRequestBody(request.body); interruption != nil {
		check(err)
		return interruption
	}
	if interruption, err := transaction.ProcessRequestBody(); interruption != nil {
		check(err)
		return interruption
	}
	transaction.AddResponseHeader("Content-Type", "text/html; charset=utf-8")
	transaction.AddResponseHeader("Server", "sample")
	if interruption := transaction.ProcessResponseHeaders(200, "HTTP/1.1"); interruption != nil {
		return interruption
	}
	if interruption, _, err := transaction.WriteResponseBody([]byte(page)); interruption != nil {
		check(err)
		return interruption
	}
	interruption, err := transaction.ProcessResponseBody()
	check(err)
	return interruption
}

// A request as it goes over the wire.
func read(path string) request {
	content, err := os.ReadFile(path)
	check(err)
	head, body, found := bytes.Cut(content, []byte("\r\n\r\n"))
	if !found {
		fail(fmt.Errorf("%s is not an HTTP request", path))
	}
	lines := strings.Split(string(head), "\r\n")
	parts := strings.Fields(lines[0])
	if len(parts) != 3 {
		fail(fmt.Errorf("%s has no request line", path))
	}
	read := request{method: parts[0], target: parts[1], protocol: parts[2], body: body}
	for _, line := range lines[1:] {
		if name, value, found := strings.Cut(line, ":"); found {
			read.headers = append(read.headers, header{name, strings.TrimSpace(value)})
		}
	}
	return read
}

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "coraza:", err)
	os.Exit(1)
}
