//go:build !linux

package engines

import "syscall"

// attributes has nothing to say here: a server ends when it is closed.
func attributes(bool) *syscall.SysProcAttr { return nil }
