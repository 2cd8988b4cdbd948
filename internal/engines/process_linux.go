package engines

import (
	"os"
	"syscall"
)

func init() {
	if os.Getuid() == 0 {
		engineUser = 65534 // nobody
	}
}

// attributes end the server with the process that started it, even one that is
// killed, and demote it where that is asked for and possible. A terminal's Ctrl-C
// does not reach it: who started it still has to end in order.
func attributes(demoted bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if demoted && engineUser != 0 {
		a.Credential = &syscall.Credential{Uid: uint32(engineUser), Gid: uint32(engineUser)}
	}
	return a
}
