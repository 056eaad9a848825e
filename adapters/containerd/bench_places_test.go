//go:build !interop || !linux

package containerd_test

func places() []place { return []place{inProcess()} }
