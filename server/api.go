package server

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/swaggest/swgui/v5emb"

	"github.com/callctl/callctl/server/console"
)

// maxBody bounds a request body of the API.
const maxBody = 64 << 10

// public builds the outer mux.
func (s *Server) public() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhooks/8x8/{account}", s.webhook("8x8"))
	mux.HandleFunc("POST /webhooks/meta/{account}", s.webhook("meta"))
	mux.HandleFunc("GET /webhooks/meta/{account}", s.challenge)
	s.api = humago.New(mux, apiConfig(s.cfg.Version["version"]))
	s.api.UseMiddleware(s.authorize, s.alone, s.idempotent)
	s.decisionRoutes()
	s.permissionRoutes()
	s.changeRoutes()
	s.readBackRoutes()
	s.approvalRoutes()
	s.callbackRoutes()
	s.callRoutes()
	s.doNotCallRoutes()
	s.importRoutes()
	s.numberRoutes()
	s.auditRoutes()
	s.exportRoutes()
	s.deliveryRoutes()
	s.eventRoutes()
	s.subscriptionRoutes()
	dropDefaultErrors(s.api.OpenAPI())
	mux.HandleFunc("GET /openapi.json", s.document)
	mux.Handle("GET /docs/", v5emb.New("callctl", "/openapi.json", "/docs/"))
	mux.Handle("GET /docs", http.RedirectHandler("/docs/", http.StatusMovedPermanently))
	mux.Handle("GET "+console.Prefix, console.Handler())
	return s.observe(problems(mux))
}

func apiConfig(version string) huma.Config {
	c := huma.DefaultConfig("callctl", orElse(version, "dev"))
	c.Info.Description = "Decides whether a business may call a WhatsApp user, places and receives the calls, and proves later what it did."
	c.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", Description: "A token of the configuration; each operation names the scope that it needs. admin holds all scopes."},
	}
	// The document and its page are served by our own routes, and bodies carry
	// no $schema links.
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks = nil
	c.Transformers = []huma.Transformer{ours}
	return c
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// operation names an operation of the API.
type operation struct {
	method, path, id, tag string
	scope                 Scope
	summary, description  string
	status                int    // of success; 200 when zero
	also                  int    // another status of success with the same body; 0 for none
	maxBody               int64  // bytes; maxBody when zero
	produces              string // media type of an answer that is not JSON
	// rerun says that after a crash the same request with the same
	// Idempotency-Key may be carried out again without harm.
	rerun bool
	// alone says that one request of the operation is worked on at a time, because
	// its body is large, and that it may take minutes to arrive.
	alone bool
}

// register adds an operation. Every operation is added here, with its scope.
func register[I, O any](s *Server, o operation, handler func(context.Context, *I) (*O, error)) {
	if o.status == 0 {
		o.status = http.StatusOK
	}
	op := huma.Operation{
		Method: o.method, Path: o.path, OperationID: o.id, Tags: []string{o.tag},
		Summary: o.summary, Description: o.description, DefaultStatus: o.status,
		MaxBodyBytes: cmp.Or(o.maxBody, maxBody),
		Security:     []map[string][]string{{"bearer": {string(o.scope)}}},
		Responses:    map[string]*huma.Response{"default": problemResponse(s.api.OpenAPI().Components.Schemas)},
		Metadata:     map[string]any{"rerun": o.rerun, "alone": o.alone},
	}
	if o.produces != "" {
		op.Responses["200"] = &huma.Response{Description: http.StatusText(http.StatusOK), Content: map[string]*huma.MediaType{o.produces: {}}}
	}
	if o.method == http.MethodPost {
		op.Parameters = append(op.Parameters, idempotencyParam())
	}
	if o.also != 0 {
		op.Responses[strconv.Itoa(o.also)] = bodyResponse[O](s.api.OpenAPI().Components.Schemas, o.also)
	}
	s.scopes[o.id] = o.scope
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, s.asProblem(ctx, err)
		}
		return out, nil
	})
	if o.status == http.StatusNoContent {
		op.Responses[strconv.Itoa(o.status)].Content = nil
	}
}

// bodyResponse describes an answer with the body of O and another status.
func bodyResponse[O any](r huma.Registry, status int) *huma.Response {
	out := &huma.Response{Description: http.StatusText(status)}
	if f, ok := reflect.TypeFor[O]().FieldByName("Body"); ok {
		out.Content = map[string]*huma.MediaType{"application/json": {Schema: r.Schema(f.Type, true, "")}}
	}
	return out
}

func problemResponse(r huma.Registry) *huma.Response {
	return &huma.Response{
		Description: "A problem (RFC 9457)",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: r.Schema(reflect.TypeFor[Problem](), true, "Problem")}},
	}
}

func idempotencyParam() *huma.Param {
	longest := maxKey
	return &huma.Param{
		Name: "Idempotency-Key", In: "header",
		Description: "Any text of the client's, unique to what is asked: the same key with the same body is carried out once and answered alike for 30 days.",
		Schema:      &huma.Schema{Type: huma.TypeString, MaxLength: &longest},
	}
}

// dropDefaultErrors removes huma's error schema, which no answer has.
func dropDefaultErrors(doc *huma.OpenAPI) {
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
}

// OpenAPI is the generated document, as served.
func (s *Server) OpenAPI() ([]byte, error) {
	b, err := json.MarshalIndent(s.api.OpenAPI(), "", "  ")
	return append(b, '\n'), wrap("openapi document", err)
}

func (s *Server) document(w http.ResponseWriter, r *http.Request) {
	b, err := s.OpenAPI()
	if err != nil {
		writeProblem(w, s.asProblem(r.Context(), err))
		return
	}
	w.Header().Set("Content-Type", "application/openapi+json")
	_, _ = w.Write(b)
}

// problems answers 404 and 405 of the mux as problems.
func problems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &probe{header: http.Header{}}
		mux.ServeHTTP(probe, r)
		if probe.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", probe.header.Get("Allow"))
			writeProblem(w, problem(http.StatusMethodNotAllowed, reasonMethod, "The route does not take this method."))
			return
		}
		writeProblem(w, problem(http.StatusNotFound, reasonNotFound, "There is no such route."))
	})
}

// probe learns what the mux would answer.
type probe struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (p *probe) Header() http.Header { return p.header }

// Write implements http.ResponseWriter.
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (p *probe) WriteHeader(status int) { p.status = status }
