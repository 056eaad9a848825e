package etcdkv

import (
	"strconv"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// keys are the names of things in etcd:
//
//	<prefix>format                  the version of all this, a decimal number
//	<prefix>head                    which state of the store is the present one
//	<prefix>k/<key>                 an entry
//	<prefix>log/<base>/<id>/<n>     a piece of an update that is too large for one
//	                                transaction of etcd; base is the state it rests on
type keys struct{ prefix string }

func newKeys(prefix string) keys {
	if prefix == "" {
		prefix = defaultPrefix
	}
	if !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return keys{prefix}
}

func (k keys) format() string { return k.prefix + "format" }

func (k keys) head() string { return k.prefix + "head" }

func (k keys) entry(key []byte) string { return k.prefix + "k/" + string(key) }

// entryOf is the key of the entry that has this name.
func (k keys) entryOf(name []byte) []byte { return name[len(k.prefix)+len("k/"):] }

// logs is what the names of all logs begin with.
func (k keys) logs() string { return k.prefix + "log/" }

// logsOn is what the names of all logs begin with that rest on a state.
func (k keys) logsOn(base string) string { return k.logs() + base + "/" }

// log is what the names of the pieces of a log begin with.
func (k keys) log(base, id string) string { return k.logsOn(base) + id + "/" }

// piece is the name of the n-th piece of a log. They sort by number.
func (k keys) piece(base, id string, n int) string {
	number := strconv.Itoa(n)
	return k.log(base, id) + strings.Repeat("0", max(0, 8-len(number))) + number
}

// end is where the names that begin with prefix end.
func end(prefix string) string { return clientv3.GetPrefixRangeEnd(prefix) }
