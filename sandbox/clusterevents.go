package sandbox

import (
	"strconv"
	"strings"
	"time"

	gogotypes "github.com/gogo/protobuf/types"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/swarmkit/v2/api"
)

// clusterEvent turns a change in the store into the event that dockerd sends. It returns false if dockerd sends none.
func clusterEvent(e *api.WatchMessage_Event) (events.Message, bool) {
	if e.Object == nil {
		return events.Message{}, false
	}
	m := events.Message{Scope: "swarm"}
	switch e.Action {
	case api.WatchActionKindCreate:
		m.Action = events.ActionCreate
	case api.WatchActionKindUpdate:
		m.Action = events.ActionUpdate
	case api.WatchActionKindRemove:
		m.Action = events.ActionRemove
	default:
		return events.Message{}, false
	}
	var meta api.Meta
	switch o := e.Object.GetObject().(type) {
	case *api.Object_Node:
		m.Type, m.Actor.ID, meta = events.NodeEventType, o.Node.ID, o.Node.Meta
		m.Actor.Attributes = nodeAttributes(o.Node, e.OldObject.GetNode(), e.Action)
	case *api.Object_Service:
		m.Type, m.Actor.ID, meta = events.ServiceEventType, o.Service.ID, o.Service.Meta
		m.Actor.Attributes = serviceAttributes(o.Service, e.OldObject.GetService(), e.Action)
	case *api.Object_Network:
		m.Type, m.Actor.ID, meta = events.NetworkEventType, o.Network.ID, o.Network.Meta
		m.Actor.Attributes = map[string]string{"name": o.Network.Spec.Annotations.Name}
	case *api.Object_Secret:
		m.Type, m.Actor.ID, meta = events.SecretEventType, o.Secret.ID, o.Secret.Meta
		m.Actor.Attributes = map[string]string{"name": o.Secret.Spec.Annotations.Name}
	case *api.Object_Config:
		m.Type, m.Actor.ID, meta = events.ConfigEventType, o.Config.ID, o.Config.Meta
		m.Actor.Attributes = map[string]string{"name": o.Config.Spec.Annotations.Name}
	default:
		return events.Message{}, false
	}
	at := eventTime(meta, e.Action)
	m.Time, m.TimeNano = at.Unix(), at.UnixNano()
	return m, true
}

// eventTime returns when the change happened according to the store. For a removal it returns the present time,
// because the store keeps none.
func eventTime(meta api.Meta, action api.WatchActionKind) time.Time {
	stamp := meta.UpdatedAt
	switch action {
	case api.WatchActionKindCreate:
		stamp = meta.CreatedAt
	case api.WatchActionKindRemove:
		return time.Now().UTC()
	}
	at, _ := gogotypes.TimestampFromProto(stamp)
	return at.UTC()
}

// changed records an attribute's old and new value if they differ.
func changed(attributes map[string]string, name, old, now string) {
	if old != now {
		attributes[name+".old"] = strings.ToLower(old)
		attributes[name+".new"] = strings.ToLower(now)
	}
}

func nodeAttributes(n, old *api.Node, action api.WatchActionKind) map[string]string {
	name := n.Spec.Annotations.Name
	if name == "" && n.Description != nil {
		name = n.Description.Hostname
	}
	a := map[string]string{"name": name}
	if action != api.WatchActionKindUpdate || old == nil {
		return a
	}
	changed(a, "availability", old.Spec.Availability.String(), n.Spec.Availability.String())
	changed(a, "role", old.Role.String(), n.Role.String())
	changed(a, "state", old.Status.State.String(), n.Status.State.String())
	if n.ManagerStatus != nil && old.ManagerStatus != nil {
		changed(a, "leader", strconv.FormatBool(old.ManagerStatus.Leader), strconv.FormatBool(n.ManagerStatus.Leader))
		changed(a, "reachability", old.ManagerStatus.Reachability.String(), n.ManagerStatus.Reachability.String())
	}
	return a
}

func serviceAttributes(s, old *api.Service, action api.WatchActionKind) map[string]string {
	a := map[string]string{"name": s.Spec.Annotations.Name}
	if action != api.WatchActionKindUpdate || old == nil {
		return a
	}
	if now, was := s.Spec.Task.GetContainer(), old.Spec.Task.GetContainer(); now != nil && was != nil && now.Image != was.Image {
		a["image.old"], a["image.new"] = was.Image, now.Image
	}
	if now, was := s.Spec.GetReplicated(), old.Spec.GetReplicated(); now != nil && was != nil {
		changed(a, "replicas", strconv.FormatUint(was.Replicas, 10), strconv.FormatUint(now.Replicas, 10))
	}
	if s.UpdateStatus != nil {
		if old.UpdateStatus == nil {
			a["updatestate.new"] = strings.ToLower(s.UpdateStatus.State.String())
		} else {
			changed(a, "updatestate", old.UpdateStatus.State.String(), s.UpdateStatus.State.String())
		}
	}
	return a
}
