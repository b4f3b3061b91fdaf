package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/common"
	"github.com/moby/moby/v2/daemon/server/httputils"
	"github.com/moby/moby/v2/daemon/server/router"
	swarmrouter "github.com/moby/moby/v2/daemon/server/router/swarm"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	maxAPIVersion = "1.56"
	minAPIVersion = "1.40"
)

var (
	versionPrefix = regexp.MustCompile(`^/v([0-9.]+)(/.*)$`)
	routeVar      = regexp.MustCompile(`\{([a-z]+)\}`)
	// ofMachine matches the parts of the API that only a machine with containers serves.
	ofMachine = regexp.MustCompile(`^/(containers|images|volumes|build|exec|session|grpc|plugins|commit)(/|$)`)
)

// routes builds the Engine API of one engine. Its swarm part is dockerd's own router, so that it treats old API
// versions as dockerd does.
func (e *engine) routes() http.Handler {
	mux := http.NewServeMux()
	all := swarmrouter.NewRouter(e.cluster).Routes()
	all = append(all, e.networkRoutes()...)
	all = append(all, e.volumeRoutes()...)
	all = append(all, e.systemRoutes()...)
	for _, r := range all {
		mux.HandleFunc(r.Method()+" "+r.Path(), handle(r))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if ofMachine.MatchString(r.URL.Path) {
			writeError(w, unimplemented("the sandbox runs services only: it has no containers, images, volumes or builds of its own"))
			return
		}
		_ = httputils.WriteJSON(w, http.StatusNotFound, &common.ErrorResponse{Message: "page not found"})
	})
	// Names of images contain slashes, which no pattern of ServeMux can match in the middle of a path.
	look := handle(router.NewGetRoute("", e.inspectDistribution))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/distribution/"); ok && r.Method == http.MethodGet {
			if name, ok := strings.CutSuffix(rest, "/json"); ok {
				r.SetPathValue("name", name)
				look(w, r)
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}

func handle(route router.Route) http.HandlerFunc {
	var names []string
	for _, m := range routeVar.FindAllStringSubmatch(route.Path(), -1) {
		names = append(names, m[1])
	}
	f := route.Handler()
	return func(w http.ResponseWriter, r *http.Request) {
		vars := map[string]string{"name": r.PathValue("name")}
		for _, n := range names {
			vars[n] = r.PathValue(n)
		}
		if err := f(r.Context(), w, r, vars); err != nil && r.Context().Err() == nil {
			writeError(w, err)
		}
	}
}

func writeError(w http.ResponseWriter, err error) {
	_ = httputils.WriteJSON(w, httpStatus(err), &common.ErrorResponse{Message: err.Error()})
}

// ServeHTTP removes the version from the path, applies the faults and keeps the log.
func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := Request{Time: time.Now(), Node: e.name, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery}
	version := maxAPIVersion
	if m := versionPrefix.FindStringSubmatch(r.URL.Path); m != nil {
		req.Version, req.Path = m[1], m[2]
		version = m[1]
	}
	fault, hit := e.sb.faults.hit(e.name, req.Method, req.Path)
	req.Fault = hit
	out := &observed{ResponseWriter: w, tell: func(status int) {
		req.Status = status
		e.sb.requests.add(req)
	}}
	if hit && !fault.wait(r.Context()) {
		out.tellOnce(0)
		return
	}
	spoiled := hit && (fault.Status != 0 || fault.Drop)
	if !spoiled || fault.AfterCommit {
		var to http.ResponseWriter = out
		if spoiled {
			to = nowhere{http.Header{}}
		}
		e.serveVersion(to, r, version, req.Path)
	}
	switch {
	case !spoiled:
		out.tellOnce(http.StatusOK)
	case fault.Drop:
		out.tellOnce(0)
		// On this panic the server closes the connection without an answer.
		panic(http.ErrAbortHandler)
	default:
		message := fault.Message
		if message == "" {
			message = "sandbox: injected fault"
		}
		_ = httputils.WriteJSON(out, fault.Status, &common.ErrorResponse{Message: message})
	}
}

func (e *engine) serveVersion(w http.ResponseWriter, r *http.Request, version, path string) {
	h := w.Header()
	h.Set("Server", "Docker/"+engineVersion+" (linux)")
	h.Set("Api-Version", maxAPIVersion)
	h.Set("Ostype", "linux")
	var refused string
	switch {
	case versionLess(version, minAPIVersion):
		refused = fmt.Sprintf("client version %s is too old. Minimum supported API version is %s, please upgrade your client to a newer version", version, minAPIVersion)
	case versionLess(maxAPIVersion, version):
		refused = fmt.Sprintf("client version %s is too new. Maximum supported API version is %s", version, maxAPIVersion)
	}
	switch {
	case refused != "" && versionLess(version, "1.24"): // such clients print the body as it is
		http.Error(w, refused, http.StatusBadRequest)
		return
	case refused != "":
		writeError(w, invalid(refused))
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), httputils.APIVersionKey{}, version))
	u := *r.URL
	u.Path, u.RawPath = path, ""
	r.URL = &u
	e.handler.ServeHTTP(w, r)
}

// observed reports the status of an answer just before the answer goes out.
type observed struct {
	http.ResponseWriter
	tell func(status int)
	told bool
}

func (o *observed) tellOnce(status int) {
	if !o.told {
		o.told = true
		o.tell(status)
	}
}

func (o *observed) WriteHeader(status int) {
	o.tellOnce(status)
	o.ResponseWriter.WriteHeader(status)
}

func (o *observed) Write(b []byte) (int, error) {
	o.tellOnce(http.StatusOK)
	return o.ResponseWriter.Write(b)
}

// Flush is defined here and not only inherited, because moby's streams look for it.
func (o *observed) Flush() {
	o.tellOnce(http.StatusOK)
	_ = http.NewResponseController(o.ResponseWriter).Flush()
}

func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func isNotFound(err error) bool { return cerrdefs.IsNotFound(cerrdefs.Resolve(err)) }

// httpStatus maps errors as dockerd does: first by the class of the error, then by the code of gRPC. All other errors
// become 500, even "update out of sequence" and "message too large".
func httpStatus(err error) int {
	resolved := cerrdefs.Resolve(err)
	switch {
	case cerrdefs.IsNotFound(resolved):
		return http.StatusNotFound
	case cerrdefs.IsInvalidArgument(resolved):
		return http.StatusBadRequest
	case cerrdefs.IsConflict(resolved):
		return http.StatusConflict
	case cerrdefs.IsUnauthorized(resolved):
		return http.StatusUnauthorized
	case cerrdefs.IsUnavailable(resolved):
		return http.StatusServiceUnavailable
	case cerrdefs.IsPermissionDenied(resolved):
		return http.StatusForbidden
	case cerrdefs.IsNotImplemented(resolved):
		return http.StatusNotImplemented
	case cerrdefs.IsInternal(resolved), cerrdefs.IsDataLoss(resolved), cerrdefs.IsDeadlineExceeded(resolved), cerrdefs.IsCanceled(resolved):
		return http.StatusInternalServerError
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if code := grpcStatus(e); code != http.StatusInternalServerError {
			return code
		}
	}
	return http.StatusInternalServerError
}

func grpcStatus(err error) int {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return http.StatusBadRequest
	case codes.NotFound:
		return http.StatusNotFound
	case codes.AlreadyExists:
		return http.StatusConflict
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.Unimplemented:
		return http.StatusNotImplemented
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
