//go:build unix

package engine

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// permissionHelp names the socket's group, because the operator needs to be in it.
func permissionHelp(host string) string {
	path, unix := strings.CutPrefix(host, "unix://")
	if !unix {
		return fmt.Sprintf("permission denied on %s", host)
	}
	who := fmt.Sprintf("this process has uid %d and groups %v", os.Geteuid(), groups())
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Sprintf("permission denied on %s, and on the directory that holds it; %s", path, who)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Sprintf("permission denied on %s; %s", path, who)
	}
	gid := strconv.FormatUint(uint64(stat.Gid), 10)
	name := ""
	if g, err := user.LookupGroupId(gid); err == nil {
		name = " (" + g.Name + ")"
	}
	return fmt.Sprintf("permission denied on %s: it has mode %v, uid %d and gid %s%s, and %s; "+
		"start it with that group (docker run --group-add %s, systemd SupplementaryGroups=%s)",
		path, info.Mode().Perm(), stat.Uid, gid, name, who, gid, gid)
}

func groups() []int {
	gids, err := os.Getgroups()
	if err != nil || len(gids) == 0 {
		return []int{os.Getegid()}
	}
	return gids
}
