package sandbox

import (
	"context"
	"io"
	"log/slog"
	"sync"

	swarmlog "github.com/moby/swarmkit/v2/log"
	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

var prepareOnce sync.Once

// prepareProcess sets what SwarmKit keeps in package variables. It runs before the first node starts, and applies to
// the whole process.
func prepareProcess() {
	prepareOnce.Do(func() {
		// Every manager allocates two segments in advance. With the default of 64 MB, a sandbox of three managers
		// would take 400 MB of disk.
		wal.SegmentSizeBytes = 1 << 20
		separateSchedulers()
		// A dispatcher counts down for nodes that it has not heard of. It does so while it writes their state, before
		// it has its context. If the write takes longer than the count-down, as without a majority on a busy machine,
		// it asks for the logger of a nil context, and the process would end.
		logger := swarmlog.G
		swarmlog.G = func(ctx context.Context) *logrus.Entry {
			if ctx == nil {
				return swarmlog.L
			}
			return logger(ctx)
		}
		// SwarmKit, raft and gRPC log through logrus' standard logger if they have no context. They log a lot when a
		// node dies.
		logrus.SetOutput(io.Discard)
		logrus.SetLevel(logrus.PanicLevel) // do not even format what nobody reads
	})
}

// LogEverything writes to w what SwarmKit logs, even outside any sandbox. It is for debugging; the default is
// silence.
func LogEverything(w io.Writer) {
	prepareProcess()
	logrus.SetOutput(w)
	logrus.SetLevel(logrus.DebugLevel)
}

// withLogger returns a context that makes SwarmKit log to logger.
func withLogger(ctx context.Context, logger *slog.Logger, node string) context.Context {
	if logger == nil {
		return ctx
	}
	l := logrus.New()
	l.SetOutput(io.Discard)
	l.SetLevel(logrus.DebugLevel)
	l.AddHook(slogHook{logger.With("node", node)})
	return swarmlog.WithLogger(ctx, logrus.NewEntry(l))
}

type slogHook struct{ to *slog.Logger }

func (slogHook) Levels() []logrus.Level { return logrus.AllLevels }

func (h slogHook) Fire(e *logrus.Entry) error {
	level := slog.LevelDebug
	switch e.Level {
	case logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel:
		level = slog.LevelError
	case logrus.WarnLevel:
		level = slog.LevelWarn
	case logrus.InfoLevel:
		level = slog.LevelInfo
	}
	args := make([]any, 0, 2*len(e.Data))
	for k, v := range e.Data {
		args = append(args, k, v)
	}
	h.to.Log(context.Background(), level, e.Message, args...)
	return nil
}
