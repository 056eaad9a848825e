package boltkv

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jettison-oci/jettison/internal/vfs"
)

// A Holder says who has a file open for writing.
type Holder struct {
	// PID is the number of the process, on its host.
	PID int `json:"pid"`
	// Program is the base name of the program.
	Program string `json:"program"`
	// Host is the name of the machine.
	Host string `json:"host"`
	// Since is when the file was opened.
	Since time.Time `json:"since"`
}

// String describes the holder in words.
func (h *Holder) String() string {
	return fmt.Sprintf("process %d (%s on %s) since %s", h.PID, h.Program, h.Host, h.since())
}

func (h *Holder) since() string { return h.Since.Format(time.RFC3339) }

func (h *Holder) isSelf() bool {
	self := selfHolder()
	return h.PID == self.PID && h.Host == self.Host
}

// selfHolder describes this process.
func selfHolder() *Holder {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	return &Holder{PID: os.Getpid(), Program: filepath.Base(os.Args[0]), Host: host, Since: time.Now().UTC().Truncate(time.Second)}
}

// noteSuffix makes the name of the note that says who has a file open for
// writing. The lock on the file itself decides; the note informs.
const noteSuffix = ".lock"

// IsNote reports whether name is that of the small file that says who has the
// file called of open for writing. It lies in the same directory. A crash can
// leave one behind, which then counts for nothing, and which the next Open that
// writes replaces.
func IsNote(name, of string) bool { return name == of+noteSuffix }

// A note is the file that says who this process is.
type note struct {
	file vfs.File
	path string
}

// realPath is the path of the file itself, where the DB was opened by a link. What
// lies beside the file lies beside that.
func (db *DB) realPath() string {
	if path, err := filepath.EvalSymlinks(db.path); err == nil {
		return path
	}
	return db.path
}

// A noteText is what a note says: who, and a text that no other note has.
type noteText struct {
	Holder
	Token string `json:"token"`
}

// parseNote returns the holder that a note names, or nil when it names none.
func parseNote(text string) *Holder {
	var n noteText
	if err := json.Unmarshal([]byte(text), &n); err != nil || n.PID <= 0 {
		return nil
	}
	return &n.Holder
}

// holder returns who has the file open for writing, or nil when there is no
// note, or only one whose writer has ended.
func (db *DB) holder() *Holder {
	text, _ := db.readNote()
	return parseNote(text)
}
