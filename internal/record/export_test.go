package record

// Raw writes bytes as they are, to make records of any content with a right
// checksum.
func (w *Writer) Raw(b []byte) { w.buf = append(w.buf, b...) }
