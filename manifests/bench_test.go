package manifests_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/swarm-operator/swarm-operator/manifests"
)

// everyday returns a service as people write one.
func everyday(i int) string {
	return fmt.Sprintf(`apiVersion: swarm-operator.io/v1
kind: Service
metadata:
  name: web-%04[1]d
  labels: {tier: front}
spec:
  image: nginx:1.27
  replicas: 3
  environment:
    LOG_LEVEL: info
    PORT: 8080
  ports:
    - {target: 80, published: %[2]d}
  updateConfig: {parallelism: 1, delay: 10s, order: start-first, failureAction: rollback}
  placement:
    constraints: [node.labels.zone == a]
  resources:
    limits: {cpus: "0.5", memory: 256MiB}
    reservations: {memory: 64MiB}
`, i, 10_000+i)
}

func manyFiles(n int) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := range n {
		fsys[fmt.Sprintf("services/web-%04d.yaml", i)] = &fstest.MapFile{Data: []byte(everyday(i))}
	}
	return fsys
}

func oneFile(n int) fstest.MapFS {
	docs := make([]string, n)
	for i := range docs {
		docs[i] = everyday(i)
	}
	return fstest.MapFS{"all.yaml": {Data: []byte(strings.Join(docs, "---\n"))}}
}

func BenchmarkLoad(b *testing.B) {
	for name, fsys := range map[string]fstest.MapFS{"1000files": manyFiles(1000), "1file": oneFile(1000)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set, problems := manifests.NewLoader(options).Load(fsys, ".")
				if len(problems) > 0 || len(set.Entries) != 1000 {
					b.Fatal(len(set.Entries), problems)
				}
			}
		})
	}
}

// BenchmarkReload measures what the daemon pays for a commit that changes one of many files.
func BenchmarkReload(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			fsys := withBlobs{manyFiles(n)}
			l := manifests.NewLoader(options)
			l.Load(fsys, ".")
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				fsys.MapFS["services/web-0000.yaml"] = &fstest.MapFile{Data: []byte(everyday(0) + fmt.Sprintf("# %d\n", i))}
				if _, problems := l.Load(fsys, "."); len(problems) > 0 {
					b.Fatal(problems)
				}
			}
		})
	}
}
