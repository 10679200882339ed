package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// cacheLife is how long an answer is cached.
const cacheLife = time.Minute

// Errors of the store. Any other error is Redis's.
var (
	errNoSession = errors.New("there is no such session")
	errNoTask    = errors.New("there is no such task")
)

// task is an entry of a user's task list.
type task struct {
	ID      string    `json:"id"`
	Title   string    `json:"title"`
	Done    bool      `json:"done"`
	Created time.Time `json:"created"`
}

// store is the data in Redis:
//
//	session:ID            the user's name; expires with the session
//	tasks:USER            a hash with a task in each field
//	tasks:USER:version    a counter of changes
//	tasks:USER:cache:N    the answer to GET /tasks in version N; expires after cacheLife
//
// A cached answer has the version that was read before the tasks. So an answer from before a change is never read after it.
type store struct {
	redis *redis.Client
	cache bool
}

// newStore returns a store. It connects to Redis at the first command.
func newStore(s settings) store {
	return store{cache: s.cache, redis: redis.NewClient(&redis.Options{
		Addr:         s.redisAddress,
		Password:     s.redisPassword,
		Protocol:     2,
		DialTimeout:  2 * time.Second,
		ReadTimeout:  2 * time.Second,
		WriteTimeout: 2 * time.Second,
		MaxRetries:   1,
		// Commands that only newer servers know.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})}
}

func (s store) close() { _ = s.redis.Close() }

// ping returns an error if Redis does not answer.
func (s store) ping(ctx context.Context) error { return s.redis.Ping(ctx).Err() }

func (s store) startSession(ctx context.Context, id, user string, life time.Duration) error {
	return s.redis.Set(ctx, "session:"+id, user, life).Err()
}

func (s store) endSession(ctx context.Context, id string) error {
	return s.redis.Del(ctx, "session:"+id).Err()
}

// sessionUser returns the name of a session's user, or errNoSession.
func (s store) sessionUser(ctx context.Context, id string) (string, error) {
	user, err := s.redis.Get(ctx, "session:"+id).Result()
	if errors.Is(err, redis.Nil) {
		return "", errNoSession
	}
	return user, err
}

// tasks returns a user's tasks, oldest first, and whether they came from the cache.
func (s store) tasks(ctx context.Context, user string) (tasks []task, cached bool, err error) {
	if !s.cache {
		tasks, err = s.readTasks(ctx, user)
		return tasks, false, err
	}
	version, err := s.redis.Get(ctx, "tasks:"+user+":version").Result()
	if errors.Is(err, redis.Nil) {
		version = "0"
	} else if err != nil {
		return nil, false, err
	}
	key := "tasks:" + user + ":cache:" + version
	content, err := s.redis.Get(ctx, key).Bytes()
	if err == nil && json.Unmarshal(content, &tasks) == nil {
		return tasks, true, nil
	} else if err != nil && !errors.Is(err, redis.Nil) {
		return nil, false, err
	}
	if tasks, err = s.readTasks(ctx, user); err != nil {
		return nil, false, err
	}
	if content, err = json.Marshal(tasks); err != nil {
		return nil, false, err
	}
	return tasks, false, s.redis.Set(ctx, key, content, cacheLife).Err()
}

func (s store) readTasks(ctx context.Context, user string) ([]task, error) {
	fields, err := s.redis.HVals(ctx, "tasks:"+user).Result()
	if err != nil {
		return nil, err
	}
	tasks := make([]task, len(fields))
	for i, field := range fields {
		if err := json.Unmarshal([]byte(field), &tasks[i]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(tasks, func(a, b task) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return tasks, nil
}

// addTask adds a task to a user's list.
func (s store) addTask(ctx context.Context, user string, added task) error {
	content, err := json.Marshal(added)
	if err != nil {
		return err
	}
	return s.write(ctx, user, s.redis, func(pipe redis.Pipeliner) { pipe.HSet(ctx, "tasks:"+user, added.ID, content) })
}

// changeTask changes a task, and returns the result, or errNoTask. If another request changes the list at the same time, it starts
// again.
func (s store) changeTask(ctx context.Context, user, id string, change func(*task)) (changed task, err error) {
	key := "tasks:" + user
	attempt := func(tx *redis.Tx) error {
		changed = task{}
		content, err := tx.HGet(ctx, key, id).Bytes()
		if errors.Is(err, redis.Nil) {
			return errNoTask
		} else if err != nil {
			return err
		}
		if err := json.Unmarshal(content, &changed); err != nil {
			return err
		}
		change(&changed)
		if content, err = json.Marshal(changed); err != nil {
			return err
		}
		return s.write(ctx, user, tx, func(pipe redis.Pipeliner) { pipe.HSet(ctx, key, id, content) })
	}
	for range 10 {
		if err = s.redis.Watch(ctx, attempt, key); !errors.Is(err, redis.TxFailedErr) {
			break
		}
	}
	return changed, err
}

// deleteTask deletes a task. It returns errNoTask if there is none.
func (s store) deleteTask(ctx context.Context, user, id string) error {
	var deleted *redis.IntCmd
	err := s.write(ctx, user, s.redis, func(pipe redis.Pipeliner) { deleted = pipe.HDel(ctx, "tasks:"+user, id) })
	if err == nil && deleted.Val() == 0 {
		return errNoTask
	}
	return err
}

// write changes a user's list and its version in one transaction.
func (s store) write(ctx context.Context, user string, client interface {
	TxPipelined(context.Context, func(redis.Pipeliner) error) ([]redis.Cmder, error)
}, change func(redis.Pipeliner),
) error {
	_, err := client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		change(pipe)
		pipe.Incr(ctx, "tasks:"+user+":version")
		return nil
	})
	return err
}
