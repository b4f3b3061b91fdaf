package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	gogotypes "github.com/gogo/protobuf/types"
	"github.com/moby/moby/v2/daemon/server/backend"
	"github.com/moby/swarmkit/v2/api"
)

// ServiceLogs streams what the tasks of a service, or one task, have written.
func (c *cluster) ServiceLogs(ctx context.Context, selector *backend.LogSelector, o *backend.ContainerLogsOptions) (<-chan *backend.LogMessage, error) {
	options, err := logOptions(o)
	if err != nil {
		return nil, err
	}
	var stream api.Logs_SubscribeLogsClient
	err = c.manage(func(short context.Context, s nodeState) error {
		sel, err := logSelector(short, s.control, selector)
		if err != nil {
			return fmt.Errorf("error making log selector: %w", err)
		}
		// Do not use the short context, because a follower stays longer than a request may take.
		stream, err = s.logs.SubscribeLogs(ctx, &api.SubscribeLogsRequest{Selector: sel, Options: options})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make(chan *backend.LogMessage, 1)
	go func() {
		defer close(out)
		for {
			batch, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				select {
				case out <- &backend.LogMessage{Err: err}:
				case <-ctx.Done():
				}
				return
			}
			for _, m := range batch.Messages {
				select {
				case out <- logMessage(m):
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out, nil
}

func logOptions(o *backend.ContainerLogsOptions) (*api.LogSubscriptionOptions, error) {
	out := &api.LogSubscriptionOptions{Follow: o.Follow}
	if o.Tail != "" && o.Tail != "all" {
		n, err := strconv.Atoi(o.Tail)
		if err != nil {
			return nil, errors.New(`tail value must be a positive integer or "all"`)
		}
		if n < 0 {
			return nil, errors.New("negative tail values not supported")
		}
		out.Tail = -int64(n + 1) // in SwarmKit -1 means none, and -2 the last line
	}
	if o.ShowStdout {
		out.Streams = append(out.Streams, api.LogStreamStdout)
	}
	if o.ShowStderr {
		out.Streams = append(out.Streams, api.LogStreamStderr)
	}
	if !o.Since.IsZero() {
		since, err := gogotypes.TimestampProto(o.Since)
		if err != nil {
			return nil, fmt.Errorf("could not parse timestamp to proto: %w", err)
		}
		out.Since = since
	}
	return out, nil
}

func logSelector(ctx context.Context, control api.ControlClient, sel *backend.LogSelector) (*api.LogSelector, error) {
	out := &api.LogSelector{}
	for _, name := range sel.Services {
		s, err := getService(ctx, control, name, false)
		if err != nil {
			return nil, err
		}
		if s.Spec.Task.GetContainer() == nil {
			return nil, errors.New("logs only supported on container tasks")
		}
		out.ServiceIDs = append(out.ServiceIDs, s.ID)
	}
	for _, name := range sel.Tasks {
		t, err := getTask(ctx, control, name)
		if err != nil {
			return nil, err
		}
		if t.Spec.GetContainer() == nil {
			return nil, errors.New("logs only supported on container tasks")
		}
		out.TaskIDs = append(out.TaskIDs, t.ID)
	}
	return out, nil
}

func logMessage(m api.LogMessage) *backend.LogMessage {
	const prefix = "com.docker.swarm."
	out := &backend.LogMessage{Line: m.Data}
	out.Timestamp, out.Err = gogotypes.TimestampFromProto(m.Timestamp)
	for _, a := range m.Attrs {
		out.Attrs = append(out.Attrs, backend.LogAttr{Key: a.Key, Value: a.Value})
	}
	out.Attrs = append(out.Attrs,
		backend.LogAttr{Key: prefix + "node.id", Value: m.Context.NodeID},
		backend.LogAttr{Key: prefix + "service.id", Value: m.Context.ServiceID},
		backend.LogAttr{Key: prefix + "task.id", Value: m.Context.TaskID},
	)
	switch m.Stream {
	case api.LogStreamStdout:
		out.Source = "stdout"
	case api.LogStreamStderr:
		out.Source = "stderr"
	}
	return out
}
