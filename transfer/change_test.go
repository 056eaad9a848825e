package transfer_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/transfer"
)

// importWith imports a root file system with changes.
func importWith(t testing.TB, store *diskstore.Store, changes ...string) (dockerspec.DockerOCIImageConfig, error) {
	t.Helper()
	report, err := transfer.Import(t.Context(), store, "../testdata/images/rootfs.tar", transfer.ImportOptions{Changes: changes})
	if err != nil {
		return dockerspec.DockerOCIImageConfig{}, err
	}
	return configIn(t, store, report.Images[0].ID).Config, nil
}

func TestChanges(t *testing.T) {
	store := newStore(t)
	type config = dockerspec.DockerOCIImageConfig
	set := func(fn func(*config)) config {
		var c config
		fn(&c)
		return c
	}
	for _, tt := range []struct {
		name    string
		changes []string
		want    config
	}{
		{"USER", []string{"USER 1000:1000"}, set(func(c *config) { c.User = "1000:1000" })},
		{"lower case", []string{"user  www "}, set(func(c *config) { c.User = "www" })},
		{"EXPOSE", []string{"EXPOSE 80 53/udp 8000-8001/tcp"}, set(func(c *config) {
			c.ExposedPorts = map[string]struct{}{"80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}}
		})},
		{"ENV", []string{`ENV A=1 B="two words" C=it\ is D='$A'`, "ENV E $A and $B", `ENV A=${A}1 F="${A}:${G:-none}${A:+\"set\"}"`}, set(func(c *config) {
			c.Env = []string{"A=11", "B=two words", "C=it is", "D=$A", "E=1 and two words", `F=1:none"set"`}
		})},
		{"CMD", []string{`CMD ["a", "b c"]`}, set(func(c *config) { c.Cmd = []string{"a", "b c"} })},
		{"CMD for a shell", []string{`CMD a $B "c"`}, set(func(c *config) { c.Cmd = []string{"/bin/sh", "-c", `a $B "c"`} })},
		{"ENTRYPOINT keeps CMD", []string{`CMD ["b"]`, `ENTRYPOINT ["a"]`}, set(func(c *config) {
			c.Cmd, c.Entrypoint = []string{"b"}, []string{"a"}
		})},
		{"no array is for a shell", []string{`ENTRYPOINT [ -f x ]`}, set(func(c *config) {
			c.Entrypoint = []string{"/bin/sh", "-c", "[ -f x ]"}
		})},
		{"VOLUME", []string{`VOLUME ["/data", "/a b"]`, "ENV D=/d", "VOLUME $D/1 /log"}, set(func(c *config) {
			c.Env = []string{"D=/d"}
			c.Volumes = map[string]struct{}{"/data": {}, "/a b": {}, "/d/1": {}, "/log": {}}
		})},
		{"WORKDIR", []string{"WORKDIR srv", "WORKDIR www/../web"}, set(func(c *config) { c.WorkingDir = "/srv/web" })},
		{"WORKDIR from the root", []string{"WORKDIR srv", "WORKDIR /var//log/"}, set(func(c *config) { c.WorkingDir = "/var/log" })},
		{"LABEL", []string{`LABEL a=1 "b c"="d e"`, "LABEL old form here"}, set(func(c *config) {
			c.Labels = map[string]string{"a": "1", "b c": "d e", "old": "form here"}
		})},
		{"STOPSIGNAL", []string{"STOPSIGNAL SIGINT", "stopsignal RTMIN+3"}, set(func(c *config) { c.StopSignal = "RTMIN+3" })},
		{"STOPSIGNAL by number", []string{"STOPSIGNAL 9"}, set(func(c *config) { c.StopSignal = "9" })},
		{"ONBUILD", []string{"ONBUILD RUN make $X", "ONBUILD  USER www"}, set(func(c *config) {
			c.OnBuild = []string{"RUN make $X", "USER www"}
		})},
		{"HEALTHCHECK", []string{`HEALTHCHECK --interval=1m --timeout=2s --start-period=3s --start-interval=4s --retries=5 CMD ["up"]`}, set(func(c *config) {
			c.Healthcheck = &dockerspec.HealthcheckConfig{
				Test: []string{"CMD", "up"}, Interval: time.Minute, Timeout: 2 * time.Second,
				StartPeriod: 3 * time.Second, StartInterval: 4 * time.Second, Retries: 5,
			}
		})},
		{"HEALTHCHECK for a shell", []string{"HEALTHCHECK CMD curl -f /"}, set(func(c *config) {
			c.Healthcheck = &dockerspec.HealthcheckConfig{Test: []string{"CMD-SHELL", "curl -f /"}}
		})},
		{"HEALTHCHECK NONE", []string{"HEALTHCHECK none"}, set(func(c *config) {
			c.Healthcheck = &dockerspec.HealthcheckConfig{Test: []string{"NONE"}}
		})},
		{"lines", []string{"# a comment\nUSER a\n\nLABEL a=1 \\\n  b=2"}, set(func(c *config) {
			c.User, c.Labels = "a", map[string]string{"a": "1", "b": "2"}
		})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := importWith(t, store, tt.changes...)
			if diff := cmp.Diff(got, tt.want); diff != "" || err != nil {
				t.Errorf("%v (-got +want):\n%s", err, diff)
			}
		})
	}
}

func TestChangesRefused(t *testing.T) {
	store := newStore(t)
	for change, want := range map[string]string{
		"RUN make":                         "RUN is not a valid change command",
		"nonsense":                         "NONSENSE is not a valid change command",
		"USER":                             "USER needs an argument",
		"USER --flag x":                    "unknown flag: --flag",
		"EXPOSE x":                         `port "x"`,
		"EXPOSE 70000":                     `port "70000"`,
		"EXPOSE 90-80":                     `port "90-80"`,
		"EXPOSE 80/icmp":                   "none of tcp, udp and sctp",
		"ENV A":                            "ENV must have two arguments",
		"ENV A=1 B":                        `there is no = in "B"`,
		"ENV =1":                           "names can not be blank",
		`ENV A="1`:                         "a double quote is not closed",
		`ENV A='1`:                         "a single quote is not closed",
		"ENV A=${B":                        "bad substitution",
		"ENV A=${}":                        "bad substitution",
		"ENV A=${B#x}":                     "bad substitution",
		"ENV A=${B:-x":                     `missing "}"`,
		"ENV A=${B:?where}":                "B: is not set: where",
		"CMD [1]":                          "strings only",
		`VOLUME [""]`:                      "can not be an empty string",
		"WORKDIR $X":                       "the directory is empty",
		"STOPSIGNAL 0":                     "invalid signal: 0",
		"STOPSIGNAL SIGNOTHING":            "invalid signal",
		"STOPSIGNAL RTMIN+99":              "invalid signal",
		"ONBUILD ONBUILD USER x":           "isn't allowed",
		"ONBUILD from x":                   "FROM isn't allowed",
		"HEALTHCHECK NONE x":               "takes no arguments",
		"HEALTHCHECK x":                    "want CMD or NONE",
		"HEALTHCHECK CMD":                  "no command",
		"HEALTHCHECK --interval CMD x":     "missing a value on flag: --interval",
		"HEALTHCHECK --interval=1us CMD x": "less than a millisecond",
		"HEALTHCHECK --retries=-1 CMD x":   "not a number of retries",
		"HEALTHCHECK --what=1 CMD x":       "unknown flag: --what",
		"HEALTHCHECK --retries=1 --retries=2 CMD x": "given twice",
	} {
		_, err := importWith(t, store, "LABEL fine=1", change)
		if !errors.Is(err, jettison.ErrInvalidArgument) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "change ") {
			t.Errorf("%s: err = %v, want %q of class InvalidArgument", change, err, want)
		}
	}
}
