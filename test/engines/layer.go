package engines

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io/fs"
	"time"
)

// layer is a compressed tar, with the tar itself and its digest.
type layer struct {
	blob
	plain string
	tar   []byte
}

type file struct {
	path, content string // the content of a link is its target
	mode          fs.FileMode
}

// newLayer packs files. The same files give the same bytes.
func newLayer(files []file) (layer, error) {
	plain, err := archive(files)
	if err != nil {
		return layer{}, err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain); err != nil {
		return layer{}, err
	}
	if err := z.Close(); err != nil {
		return layer{}, err
	}
	return layer{newBlob(layerType, packed.Bytes()), digest(plain), plain}, nil
}

func archive(files []file) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.path, Mode: int64(f.mode.Perm()), ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
		content := []byte(f.content)
		switch {
		case f.mode.IsDir():
			h.Typeflag, content = tar.TypeDir, nil
		case f.mode&fs.ModeSymlink != 0:
			h.Typeflag, h.Linkname, h.Mode, content = tar.TypeSymlink, f.content, 0o777, nil
		default:
			h.Typeflag, h.Size = tar.TypeReg, int64(len(content))
		}
		if f.mode&fs.ModeSticky != 0 {
			h.Mode |= 0o1000
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// saved returns the image in the form that docker save writes.
func (i *image) saved(ref string) ([]byte, error) {
	files := []file{{"config.json", string(i.config.data), 0o644}}
	var layers []string
	for _, l := range i.layers {
		name := l.plain[len("sha256:"):] + ".tar"
		layers = append(layers, name)
		files = append(files, file{name, string(l.tar), 0o644})
	}
	list, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{ref}, "Layers": layers}})
	if err != nil {
		return nil, err
	}
	return archive(append(files, file{"manifest.json", string(list), 0o644}))
}
