package containerd

import (
	"cmp"
	"context"
	"sync"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types/task"
)

// Tasks knows which containers run.
type Tasks interface {
	// Running returns those of these containers of the context's namespace that
	// have a process: made, running, paused, or in between. One whose state cannot
	// be told is among them.
	Running(ctx context.Context, containers []string) ([]string, error)
}

// daemonTasks are those of a daemon.
type daemonTasks struct{ tasks.TasksClient }

// Running lists the tasks. A daemon leaves out those whose state it cannot read, so
// it is asked again for each container that it has not spoken of.
func (d daemonTasks) Running(ctx context.Context, containers []string) ([]string, error) {
	answer, err := d.List(ctx, &tasks.ListTasksRequest{})
	if err != nil {
		return nil, failed("list tasks", err)
	}
	told := make(map[string]bool) // whether it runs
	for _, process := range answer.Tasks {
		told[cmp.Or(process.ContainerID, process.ID)] = runs(process)
	}
	var mu sync.Mutex
	var running []string
	err = several(ctx, len(containers), func(ctx context.Context, i int) error {
		id := containers[i]
		isRunning, known := told[id]
		if !known {
			isRunning = d.mayRun(ctx, id)
		}
		if isRunning {
			mu.Lock()
			defer mu.Unlock()
			running = append(running, id)
		}
		return ctx.Err()
	})
	return running, failed("look at tasks", err)
}

// mayRun reports whether a container has a process, or nobody can tell.
func (d daemonTasks) mayRun(ctx context.Context, container string) bool {
	answer, err := d.Get(ctx, &tasks.GetRequest{ContainerID: container})
	if err != nil {
		return !isMissing(failed("look at task "+container, err))
	}
	return runs(answer.Process)
}

// runs reports whether a process has not ended.
func runs(process *task.Process) bool { return process.GetStatus() != task.Status_STOPPED }
