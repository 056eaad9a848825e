package transfer

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
)

// healthcheck reads how the health of a container is checked, or NONE.
func (c *changer) healthcheck(in instruction) error {
	kind, rest := cutSpace(in.rest)
	switch kind = strings.ToUpper(kind); {
	case kind == "NONE" && rest != "":
		return errors.New("HEALTHCHECK NONE takes no arguments")
	case kind == "NONE":
		c.config.Healthcheck = &dockerspec.HealthcheckConfig{Test: []string{kind}}
		return nil
	case kind != "CMD":
		return fmt.Errorf("unknown type %q in HEALTHCHECK: want CMD or NONE", kind)
	}
	words, isList, err := jsonList(rest)
	switch {
	case err != nil:
		return err
	case !isList && rest != "":
		words, kind = []string{rest}, "CMD-SHELL"
	case len(words) == 0:
		return errors.New("there is no command after HEALTHCHECK CMD")
	}
	check := &dockerspec.HealthcheckConfig{Test: append([]string{kind}, words...)}
	c.config.Healthcheck = check
	return setHealthFlags(check, in.flags)
}

// setHealthFlags understands --interval=1m and the like.
func setHealthFlags(check *dockerspec.HealthcheckConfig, flags []string) error {
	durations := map[string]*time.Duration{
		"--interval": &check.Interval, "--timeout": &check.Timeout,
		"--start-period": &check.StartPeriod, "--start-interval": &check.StartInterval,
	}
	seen := make(map[string]bool)
	for _, flag := range flags {
		name, value, given := strings.Cut(flag, "=")
		into := durations[name]
		switch {
		case into == nil && name != "--retries":
			return fmt.Errorf("unknown flag: %s", name)
		case !given:
			return fmt.Errorf("missing a value on flag: %s", name)
		case seen[name]:
			return fmt.Errorf("flag given twice: %s", name)
		}
		seen[name] = true
		var err error
		if into == nil {
			check.Retries, err = parseRetries(value)
		} else {
			*into, err = parseInterval(value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// parseRetries reads a number of failures; none given means the default.
func parseRetries(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of retries", text)
	}
	return int(n), nil
}

// parseInterval reads a duration; none given, and zero, mean the default.
func parseInterval(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d != 0 && d < time.Millisecond {
		err = fmt.Errorf("%s is less than a millisecond", text)
	}
	return d, err
}

// parsePorts reads a port, or a range of them, with or without a protocol.
func parsePorts(text string) ([]string, error) {
	numbers, proto, given := strings.Cut(text, "/")
	if !given {
		proto = "tcp"
	}
	if proto = strings.ToLower(proto); !slices.Contains([]string{"tcp", "udp", "sctp"}, proto) {
		return nil, fmt.Errorf("port %q: the protocol is none of tcp, udp and sctp", text)
	}
	first, last, isRange := strings.Cut(numbers, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	to, errLast := strconv.ParseUint(last, 10, 16)
	if err != nil || errLast != nil || from > to {
		return nil, fmt.Errorf("port %q: want a port as 80, 53/udp or 8000-8010", text)
	}
	var ports []string
	for n := from; n <= to; n++ {
		ports = append(ports, fmt.Sprintf("%d/%s", n, proto))
	}
	return ports, nil
}

// signals are the names of signals on Linux, which the images are for, without
// the SIG before them.
const signals = "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV " +
	"STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"

// realTime has how far the signals of real time go from their first and their
// last.
func realTime() map[string]int { return map[string]int{"RTMIN+": 15, "RTMAX-": 14} }

// checkSignal makes sure that a signal is one, by its name or its number.
func checkSignal(name string) error {
	wrong := fmt.Errorf("invalid signal: %s", name)
	if n, err := strconv.Atoi(name); err == nil {
		if n == 0 {
			return wrong
		}
		return nil
	}
	short := strings.TrimPrefix(strings.ToUpper(name), "SIG")
	for begin, most := range realTime() {
		if offset, ok := strings.CutPrefix(short, begin); ok {
			n, err := strconv.Atoi(offset)
			if err != nil || n < 1 || n > most {
				return wrong
			}
			return nil
		}
	}
	if !slices.Contains(strings.Fields(signals), short) {
		return wrong
	}
	return nil
}
