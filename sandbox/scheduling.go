package sandbox

import (
	"bytes"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	_ "unsafe" // for go:linkname

	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/scheduler"
)

// schedulerFilters is SwarmKit's list of the conditions that a node must meet to get a task. All schedulers in the
// process use the same filters, and these remember the current task. Two swarms that schedule at the same moment
// would check each other's constraints. A dockerd has one swarm and never meets this, but a process with several
// sandboxes does. SwarmKit offers no other way to replace the list.
//
//go:linkname schedulerFilters github.com/moby/swarmkit/v2/manager/scheduler.defaultFilters
var schedulerFilters []scheduler.Filter

// separateSchedulers replaces the filters by filters that each scheduler has for itself. It must run before the first
// scheduler starts.
func separateSchedulers() {
	kinds := make([]reflect.Type, 0, len(schedulerFilters))
	for _, f := range schedulerFilters {
		kinds = append(kinds, reflect.TypeOf(f).Elem())
	}
	schedulerFilters = []scheduler.Filter{&ownFilters{kinds: kinds}}
}

// ownFilters gives every scheduler its own pipeline of filters. Their goroutines tell schedulers apart, because each
// scheduler is one loop.
type ownFilters struct {
	kinds     []reflect.Type
	pipelines sync.Map // of *scheduler.Pipeline by goroutine
}

func (o *ownFilters) pipeline() *scheduler.Pipeline {
	id := goroutine()
	if p, ok := o.pipelines.Load(id); ok {
		return p.(*scheduler.Pipeline)
	}
	p := &scheduler.Pipeline{}
	for _, k := range o.kinds {
		p.AddFilter(reflect.New(k).Interface().(scheduler.Filter))
	}
	o.pipelines.Store(id, p)
	return p
}

func (o *ownFilters) SetTask(t *api.Task) bool {
	o.pipeline().SetTask(t)
	return true
}

func (o *ownFilters) Check(n *scheduler.NodeInfo) bool { return o.pipeline().Process(n) }

func (o *ownFilters) Explain(int) string { return o.pipeline().Explain() }

// goroutine returns the number in "goroutine 7 [running]:".
func goroutine() uint64 {
	var buf [32]byte
	line := buf[:runtime.Stack(buf[:], false)]
	number, _, _ := bytes.Cut(bytes.TrimPrefix(line, []byte("goroutine ")), []byte(" "))
	id, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		panic("sandbox: runtime.Stack begins with " + strconv.Quote(string(line)))
	}
	return id
}
