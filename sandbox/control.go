package sandbox

import (
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/moby/moby/v2/daemon/server/httputils"
)

// State is what the control API says about a sandbox.
type State struct {
	Dir      string         `json:"dir"`
	Machines []MachineState `json:"machines"`
	Faults   []faultState   `json:"faults"`
}

// MachineState is one machine of a State.
type MachineState struct {
	Name        string            `json:"name"`
	Role        string            `json:"role"` // the role that it was made with
	Socket      string            `json:"socket"`
	Addr        string            `json:"addr"`
	Labels      map[string]string `json:"labels,omitempty"`
	Up          bool              `json:"up"`
	Partitioned bool              `json:"partitioned,omitempty"` // cut off from all others
	Swarm       string            `json:"swarm,omitempty"`       // inactive, pending, active/manager, active/worker, locked, error
	NodeID      string            `json:"nodeId,omitempty"`
}

// State returns the machines and the faults, with their present state.
func (s *Sandbox) State() State {
	out := State{Dir: s.dir, Faults: s.faults.state()}
	for _, name := range s.Nodes() {
		m, err := s.find(name)
		if err != nil {
			continue
		}
		ms := MachineState{Name: m.name, Role: m.role, Socket: m.sock, Addr: m.addr.String(), Labels: m.labels, NodeID: m.swarmNode()}
		ms.Partitioned = s.fabric != nil && s.fabric.isCut(m.addr)
		if e := m.engine(); e != nil {
			ms.Up, ms.Swarm = true, e.cluster.status()
		}
		out.Machines = append(out.Machines, ms)
	}
	return out
}

// controlServer serves DIR/control.sock.
type controlServer struct{ server *http.Server }

func (c *controlServer) close() error { return c.server.Close() }

func serveControl(s *Sandbox) (*controlServer, error) {
	l, err := listenUnix(filepath.Join(s.dir, "control.sock"))
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: s.controlRoutes()}
	go func() { _ = server.Serve(l) }()
	return &controlServer{server}, nil
}

// answer handles a control call. It returns a value for JSON, or an error.
type answer func(r *http.Request) (any, error)

func (f answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v, err := f(r)
	if err != nil {
		status := httpStatus(err)
		var bad *json.SyntaxError
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &bad) || errors.As(err, &wrong) {
			status = http.StatusBadRequest
		}
		_ = httputils.WriteJSON(w, status, map[string]string{"message": err.Error()})
		return
	}
	if v == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_ = httputils.WriteJSON(w, http.StatusOK, v)
}

func (s *Sandbox) controlRoutes() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f answer) { mux.Handle(pattern, f) }
	handle("GET /state", func(*http.Request) (any, error) { return s.State(), nil })
	handle("POST /nodes", s.postNode)
	handle("POST /nodes/{name}/kill", func(r *http.Request) (any, error) { return nil, s.Kill(r.PathValue("name")) })
	handle("POST /nodes/{name}/start", func(r *http.Request) (any, error) {
		return nil, s.StartNode(r.Context(), r.PathValue("name"))
	})
	handle("POST /nodes/{name}/restart", func(r *http.Request) (any, error) {
		return nil, s.Restart(r.Context(), r.PathValue("name"))
	})
	handle("POST /nodes/{name}/partition", func(r *http.Request) (any, error) { return nil, s.Partition(r.PathValue("name")) })
	handle("POST /nodes/{name}/heal", func(r *http.Request) (any, error) { return nil, s.Heal(r.PathValue("name")) })
	handle("DELETE /nodes/{name}", func(r *http.Request) (any, error) { return nil, s.RemoveNode(r.PathValue("name")) })
	handle("GET /faults", func(*http.Request) (any, error) { return s.faults.state(), nil })
	handle("POST /faults", s.postFault)
	handle("DELETE /faults", func(*http.Request) (any, error) { s.faults.clear(); return nil, nil })
	handle("DELETE /faults/{id}", s.deleteFault)
	handle("GET /requests", func(*http.Request) (any, error) { return s.requests.all(), nil })
	handle("DELETE /requests", func(*http.Request) (any, error) { s.requests.reset(); return nil, nil })
	return mux
}

func readStrict(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return invalid("reading the request: " + err.Error())
	}
	return nil
}

func (s *Sandbox) postNode(r *http.Request) (any, error) {
	var req struct {
		Role   string            `json:"role"`
		Labels map[string]string `json:"labels"`
	}
	if err := readStrict(r, &req); err != nil {
		return nil, err
	}
	name, err := s.AddNode(r.Context(), req.Role, req.Labels)
	if err != nil {
		return nil, err
	}
	return map[string]string{"name": name, "socket": s.Socket(name)}, nil
}

func (s *Sandbox) postFault(r *http.Request) (any, error) {
	var f Fault
	if err := readStrict(r, &f); err != nil {
		return nil, err
	}
	if f.Node != "" {
		if _, err := s.find(f.Node); err != nil {
			return nil, err
		}
	}
	id, err := s.faults.add(f)
	if err != nil {
		return nil, invalid(err.Error())
	}
	return map[string]int{"id": id}, nil
}

func (s *Sandbox) deleteFault(r *http.Request) (any, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !s.faults.remove(id) {
		return nil, notFound("no fault has the id " + r.PathValue("id"))
	}
	return nil, nil
}
