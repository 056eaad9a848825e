//go:build windows || plan9 || solaris || aix || android

package boltkv

import "os"

// release closes a file that bbolt has locked and mapped, and lost. Here a
// lock goes with its file.
func release(file *os.File) {
	_ = file.Close() // nothing was written that could be lost
}

// fill leaves it to bbolt to give an empty file its first pages: nothing else
// here locks the file as bbolt does.
func (*DB) fill() error { return nil }

// Here nothing tells a note that counts from one that a crash has left, so none
// is written, and nobody knows who has the file open.
func (*DB) writeNote() *note { return nil }

func (*DB) removeNote(*note) {}

func (*DB) readNote() (text string, known bool) { return "", false }

func (*DB) hasWriter() bool { return true }
