package containerd

type relations struct{}
