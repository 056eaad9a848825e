package containerd_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/services/version/v1"
	"github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/client"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/jettison-oci/jettison/adapters/containerd"
)

// taskDaemon is the part of a daemon that tells of tasks. As that does, it leaves
// out of its list those that it knows nothing of.
type taskDaemon struct {
	tasks.UnimplementedTasksServer
	version.UnimplementedVersionServer
	states map[string]task.Status
	silent []string // whose state cannot be read
}

func (d *taskDaemon) List(context.Context, *tasks.ListTasksRequest) (*tasks.ListTasksResponse, error) {
	var answer tasks.ListTasksResponse
	for id, state := range d.states {
		answer.Tasks = append(answer.Tasks, &task.Process{ID: id, Status: state})
	}
	return &answer, nil
}

func (d *taskDaemon) Get(_ context.Context, r *tasks.GetRequest) (*tasks.GetResponse, error) {
	if slices.Contains(d.silent, r.ContainerID) {
		return nil, status.Error(codes.DeadlineExceeded, "no answer from the shim")
	}
	return nil, status.Error(codes.NotFound, "no task")
}

func (d *taskDaemon) Version(context.Context, *emptypb.Empty) (*version.VersionResponse, error) {
	return &version.VersionResponse{Version: "2.0.0"}, nil
}

// start makes the daemon answer at the address that is returned.
func (d *taskDaemon) start(t *testing.T) string {
	t.Helper()
	server := grpc.NewServer()
	tasks.RegisterTasksServer(server, d)
	version.RegisterVersionServer(server, d)
	address := filepath.Join(shortDir(t), "c.sock")
	socket := listen(t, address)
	go server.Serve(socket) //nolint:errcheck // it ends with the test
	t.Cleanup(server.Stop)
	return address
}

// A container runs unless it has no process for certain.
func TestRunning(t *testing.T) {
	daemon := &taskDaemon{
		states: map[string]task.Status{
			"made": task.Status_CREATED, "runs": task.Status_RUNNING, "paused": task.Status_PAUSED, "pausing": task.Status_PAUSING,
			"odd": task.Status_UNKNOWN, "ended": task.Status_STOPPED, "not asked for": task.Status_RUNNING,
		},
		silent: []string{"hangs"},
	}
	c, err := client.New(daemon.start(t))
	must(t, err)
	defer c.Close() //nolint:errcheck // nothing is under way then
	services, err := containerd.FromClient(t.Context(), c)
	must(t, err)
	asked := []string{"made", "runs", "paused", "pausing", "odd", "ended", "hangs", "none"}
	running, err := services.Tasks.Running(t.Context(), asked)
	must(t, err)
	slices.Sort(running)
	if diff := cmp.Diff([]string{"hangs", "made", "odd", "paused", "pausing", "runs"}, running); diff != "" {
		t.Errorf("what runs (-want +got):\n%s", diff)
	}
}
