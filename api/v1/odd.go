package v1

import "fmt"

// odd reports what the swarm takes and runs, and what nobody writes on purpose. What runs is never refused, so that a
// running swarm can be stated.
func (ps *problems) odd(s *ServiceSpec) {
	ps.unnamed("spec.containerLabels", s.ContainerLabels)
	ps.again(s)
	ps.oddMounts(s.Mounts)
	for _, name := range sortedKeys(s.Ulimits) {
		if u := s.Ulimits[name]; u.Hard != -1 && (u.Soft == -1 || u.Soft > u.Hard) {
			ps.add(PathKey("spec.ulimits", name), "the soft limit %d is more than the hard one, %d, and a container may fail to start with that", u.Soft, u.Hard)
		}
	}
	if n := s.MaxConcurrent; n != nil && *n == 0 && (s.Replicas == nil || *s.Replicas > 0) {
		ps.add("spec.maxConcurrent", "0 runs no task at all")
	}
	if s.Resources != nil {
		ps.generic(s.Resources.Reservations.GenericResources)
	}
	if s.Placement == nil {
		return
	}
	for i, p := range s.Placement.Platforms {
		if p == (TaskPlatform{}) {
			ps.add(index("spec.placement.platforms", i), "states neither os nor architecture, so tasks may run on every platform")
		}
	}
}

// unnamed reports labels without a name.
func (ps *problems) unnamed(path string, labels map[string]string) {
	if _, stated := labels[""]; stated {
		ps.add(PathKey(path, ""), "the label has no name, and nobody finds it")
	}
}

// again reports networks that are stated twice, and odd modes of files.
func (ps *problems) again(s *ServiceSpec) {
	seen := map[string]bool{}
	for i, n := range s.Networks {
		if seen[n.Name] {
			ps.add(index("spec.networks", i)+".name", "%q is stated twice; once is enough", n.Name)
		}
		seen[n.Name] = true
	}
	for i, c := range s.Configs {
		ps.oddMode(index("spec.configs", i)+".mode", c.Mode)
	}
	for i, c := range s.Secrets {
		ps.oddMode(index("spec.secrets", i)+".mode", c.Mode)
	}
}

// oddMode reports bits that are no permissions, such as those of a regular file, which stat of Python tells.
func (ps *problems) oddMode(at string, mode *FileMode) {
	if mode != nil && *mode > 0o7777 {
		ps.add(at, "%s has bits that are no permissions, and the engine ignores those; %s is the same", *mode, *mode&0o7777)
	}
}

func (ps *problems) oddMounts(mounts []Mount) {
	for i, m := range mounts {
		at := index("spec.mounts", i)
		if v := m.Volume; v != nil {
			ps.unnamed(at+".volume.labels", v.Labels)
		}
		if t := m.Tmpfs; t != nil {
			ps.oddMode(at+".tmpfs.mode", t.Mode)
		}
	}
}

func (ps *problems) generic(list []GenericResource) {
	seen := map[string]bool{}
	for i, g := range list {
		at, r := index("spec.resources.reservations.genericResources", i)+".discreteResourceSpec", g.DiscreteResourceSpec
		var why string
		switch {
		case r.Kind == "":
			at, why = at+".kind", "is empty, and no node has such a resource"
		case seen[r.Kind]:
			at, why = at+".kind", fmt.Sprintf("%q is stated twice, and the scheduler looks at each alone, so a node may not have that much", r.Kind)
		case r.Value == 0:
			at, why = at+".value", "0 reserves nothing"
		}
		if seen[r.Kind] = true; why != "" {
			ps.add(at, "%s", why)
		}
	}
}
