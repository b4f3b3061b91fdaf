package service

import (
	"os"
	"strings"

	"github.com/moby/moby/api/types/mount"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

func overlayMounts(live []mount.Mount, want []v1.Mount, ch diff.Paths) []mount.Mount {
	return overlayList(live, want, "spec.mounts", ch, func(m mount.Mount) string { return v1.Mount{Target: m.Target}.ListKey() }, v1.Mount.ListKey, patchMount)
}

func patchMount(m mount.Mount, w v1.Mount, ch diff.Paths, at string) mount.Mount {
	set(&m.Target, w.Target, ch, at+".target")
	if ch.Has(at + ".type") { // options belong to one type
		m = mount.Mount{Type: mount.Type(w.Type), Target: m.Target}
		ch = diff.AllPaths()
	}
	set(&m.Source, w.Source, ch, at+".source")
	set(&m.ReadOnly, w.ReadOnly, ch, at+".readOnly")
	m.BindOptions = overlayBind(m.BindOptions, w.Bind, at+".bind", ch)
	m.VolumeOptions = overlayVolume(m.VolumeOptions, w.Volume, at+".volume", ch)
	m.TmpfsOptions = overlayTmpfs(m.TmpfsOptions, w.Tmpfs, at+".tmpfs", ch)
	return m
}

func overlayBind(live *mount.BindOptions, want *v1.BindOptions, at string, ch diff.Paths) *mount.BindOptions {
	if !ch.Any(at) || live == nil && want == nil {
		return live
	}
	out, w := orZero(live), orZero(want)
	set(&out.Propagation, mount.Propagation(w.Propagation), ch, at+".propagation")
	set(&out.NonRecursive, w.Recursive == "disabled", ch, at+".recursive")
	return &out
}

func overlayVolume(live *mount.VolumeOptions, want *v1.VolumeOption, at string, ch diff.Paths) *mount.VolumeOptions {
	if !ch.Any(at) || live == nil && want == nil {
		return live
	}
	out, w := orZero(live), orZero(want)
	set(&out.NoCopy, w.NoCopy, ch, at+".nocopy")
	set(&out.Subpath, w.Subpath, ch, at+".subpath")
	if ch.Any(at + ".labels") {
		out.Labels = overlayMap(out.Labels, w.Labels, at+".labels", ch)
	}
	if ch.Any(at+".driver") || ch.Any(at+".driverOpts") {
		d := orZero(out.DriverConfig)
		set(&d.Name, w.Driver, ch, at+".driver")
		d.Options = overlayMap(d.Options, w.DriverOpts, at+".driverOpts", ch)
		if out.DriverConfig = &d; d.Name == "" && len(d.Options) == 0 {
			out.DriverConfig = nil
		}
	}
	return &out
}

func overlayTmpfs(live *mount.TmpfsOptions, want *v1.TmpfsOptions, at string, ch diff.Paths) *mount.TmpfsOptions {
	if !ch.Any(at) || live == nil && want == nil {
		return live
	}
	out, w := orZero(live), orZero(want)
	set(&out.SizeBytes, int64(w.Size), ch, at+".size")
	set(&out.Mode, os.FileMode(orZero(w.Mode)), ch, at+".mode")
	if ch.Has(at + ".options") {
		out.Options = nil
		for _, o := range w.Options {
			out.Options = append(out.Options, strings.SplitN(o, "=", 2))
		}
	}
	return &out
}

// orZero returns a copy of what p points to, or the zero value if p is nil.
func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
