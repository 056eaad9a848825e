package containerd

// Remember bounds what is remembered of documents, in bytes.
func (b *Backend) Remember(bytes int) { b.docs.limit = bytes }

// Remembered is how many documents are remembered.
func (b *Backend) Remembered() int { return len(b.docs.known) }
