package main

import (
	"errors"
	"strings"
	"testing"
)

func TestFirstRotationGeneratesTheValueAndReplacesNoInstance(t *testing.T) {
	w := newWorld(t)
	w.wantLabels(w.jwt, versions{})
	w.rotate(w.jwt, token(1))
	w.wantLabels(w.jwt, versions{token(1): {current}})
	if n := w.refreshes(); n != 0 {
		t.Errorf("%d refreshes for a value that no instance has read", n)
	}
}

// One step after the other: the state that each leaves.
func TestSteps(t *testing.T) {
	w := newWorld(t)
	w.wantUser("off -@all", "no-password", 0)
	w.rotate(w.redis, token(1))
	w.wantUser(accessString, "password", 1)
	first := w.value(w.redis, token(1))

	w.begin(w.redis, token(2))
	w.wantLabels(w.redis, versions{token(1): {current}, token(2): {pending}})
	if _, err := w.function.value(t.Context(), w.redis, token(2)); !errors.Is(err, errNoValue) {
		t.Errorf("the version that a rotation begins with has a value: %v", err)
	}

	check(t, w.perform(w.function, w.redis, token(2), "createSecret"))
	second := w.value(w.redis, token(2))
	if len(second) < minLength || second == first {
		t.Errorf("the new value has %d characters, and is the old one: %t", len(second), second == first)
	}
	w.wantUser(accessString, "password", 1)
	if err := w.perform(w.function, w.redis, token(2), "testSecret"); err == nil || !strings.Contains(err.Error(), "does not have 2 passwords") {
		t.Errorf("testSecret before setSecret: %v", err)
	}

	check(t, w.perform(w.function, w.redis, token(2), "setSecret", "testSecret"))
	w.wantUser(accessString, "password", 2)
	w.wantLabels(w.redis, versions{token(1): {current}, token(2): {pending}})

	check(t, w.perform(w.function, w.redis, token(2), "finishSecret"))
	v, err := w.function.versions(t.Context(), w.redis)
	check(t, err)
	if version, id := v.followedRefresh(); version != token(2) || id == "" || w.refreshes() != 1 {
		t.Errorf("the labels are %v after %d refreshes", v, w.refreshes())
	}

	check(t, w.perform(w.function, w.redis, "", "followRefresh"))
	w.wantLabels(w.redis, versions{token(2): {current}, token(1): {previous}})

	for range 2 { // again, without an effect
		check(t, w.perform(w.function, w.redis, token(2), steps...))
	}
	w.wantLabels(w.redis, versions{token(2): {current}, token(1): {previous}})
	if got := w.value(w.redis, token(2)); got != second || w.refreshes() != 1 {
		t.Errorf("a repeated step changes the value: %t; refreshes: %d", got != second, w.refreshes())
	}
}

// The function is killed before each of its requests. A request whose answer is lost leaves AWS in the same state as the next one that is not
// sent, and the function has no other memory. Then everything is done again, as Secrets Manager and the schedule do it. The end is always the
// same.
func TestKilledBetweenAnyTwoSteps(t *testing.T) {
	for name, test := range map[string]struct {
		first   bool
		refresh string
		want    func(before, after string) versions
	}{
		"first rotation": {first: true, want: func(_, after string) versions { return versions{after: {current}} }},
		"rotation":       {want: func(before, after string) versions { return versions{after: {current}, before: {previous}} }},
		"failed refresh": {refresh: "Failed", want: func(before, after string) versions { return versions{before: {current}, after: {previous}} }},
		"cancelled refresh": {
			refresh: "Cancelled",
			want:    func(before, after string) versions { return versions{after: {current}, before: {previous}} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for requests := 1; ; requests++ {
				w := newWorld(t)
				before, after := token(1), token(2)
				if !test.first {
					w.rotate(w.redis, before)
				}
				w.begin(w.redis, after)
				fragile := &wire{left: requests, refresh: test.refresh}
				err := w.perform(w.on(fragile, w.function.settings), w.redis, after, steps...)
				killed := fragile.left == 0
				if test.refresh != "Failed" && (err != nil) != killed {
					t.Fatalf("killed at request %d, after %v: %v", requests, fragile.calls, err)
				}

				robust := &wire{left: -1, refresh: test.refresh}
				again := w.on(robust, w.function.settings)
				err = w.perform(again, w.redis, after, steps...)
				if err != nil && test.refresh != "Failed" {
					t.Fatalf("again, after %v: %v", fragile.calls, err)
				}
				robust.refresh = strings.ReplaceAll(test.refresh, "Cancelled", "") // the next one is not cancelled
				for range 3 {
					err = w.perform(again, w.redis, "", "followRefresh")
					if err != nil && test.refresh != "Failed" {
						t.Fatalf("followRefresh, after %v: %v", fragile.calls, err)
					}
				}
				w.wantLabels(w.redis, test.want(before, after))
				count, refreshes := int32(2), 1
				if test.first {
					count, refreshes = 1, 0
				}
				w.wantUser(accessString, "password", count)
				if w.refreshes() < refreshes {
					t.Errorf("%d refreshes", w.refreshes())
				}
				if t.Failed() {
					t.Fatalf("killed at request %d, after %v", requests, fragile.calls)
				}
				w.value(w.redis, after)
				// The next rotation is not blocked.
				w.rotate(w.redis, token(3))
				if !killed {
					if requests < 8 {
						t.Errorf("a whole rotation has %d requests", requests)
					}
					return
				}
			}
		})
	}
}

func TestFailedRefreshPutsThePreviousVersionBack(t *testing.T) {
	w := newWorld(t)
	w.rotate(w.jwt, token(1))
	w.begin(w.jwt, token(2))
	failing := &wire{left: -1, refresh: "Failed"}
	f := w.on(failing, w.function.settings)
	check(t, w.perform(f, w.jwt, token(2), "createSecret", "setSecret", "testSecret", "finishSecret"))
	w.wantCurrent(w.jwt, token(2))
	err := w.perform(f, w.jwt, "", "followRefresh")
	if err == nil || !strings.Contains(err.Error(), "the previous version is AWSCURRENT again") {
		t.Errorf("the error, which makes the alarm ring, is %v", err)
	}
	w.wantLabels(w.jwt, versions{token(1): {current}, token(2): {previous}})
	if n := w.refreshes(); n != 2 {
		t.Errorf("%d refreshes, want one for each version", n)
	}
	// The second one fails as well. The versions do not take turns.
	check(t, w.perform(f, w.jwt, "", "followRefresh"))
	w.wantLabels(w.jwt, versions{token(1): {current}, token(2): {previous}})
	// A late repetition of the rotation does not use the version again.
	if err := w.perform(f, w.jwt, token(2), "finishSecret"); err == nil {
		t.Error("a reverted version is used again")
	}
	w.wantLabels(w.jwt, versions{token(1): {current}, token(2): {previous}})
}

func (w *world) wantCurrent(s secret, version string) {
	w.t.Helper()
	v, err := w.function.versions(w.t.Context(), s)
	check(w.t, err)
	if v.holder(current) != version {
		w.t.Errorf("%s is on %s, want %s", current, v.holder(current), version)
	}
}

func TestAnotherRefreshIsNotCancelled(t *testing.T) {
	w := newWorld(t)
	w.rotate(w.jwt, token(1))
	w.begin(w.jwt, token(2))
	busy := &wire{left: -1, conflicts: 2}
	f := w.on(busy, w.function.settings)
	check(t, w.perform(f, w.jwt, token(2), steps...))
	w.wantLabels(w.jwt, versions{token(2): {current, wanted}, token(1): {previous}})
	if n := w.refreshes(); n != 0 {
		t.Errorf("%d refreshes", n)
	}
	w.begin(w.redis, token(1)) // a rotation of another secret is possible, one of this secret is not
	check(t, w.perform(f, w.redis, token(1), "createSecret"))
	w.begin(w.jwt, token(3))
	if err := w.perform(f, w.jwt, token(3), "createSecret"); err == nil || !strings.Contains(err.Error(), "has not ended") {
		t.Errorf("the next rotation begins before the end of the last one: %v", err)
	}
	check(t, w.perform(f, w.jwt, "", "followRefresh", "followRefresh"))
	check(t, w.perform(f, w.jwt, token(3), steps...))
	w.wantLabels(w.jwt, versions{token(3): {current}, token(2): {previous}})
	for _, call := range busy.calls {
		if call == "CancelInstanceRefresh" {
			t.Error("a refresh is cancelled")
		}
	}
}

func TestRefreshInProgressIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.rotate(w.jwt, token(1))
	w.begin(w.jwt, token(2))
	for _, status := range []string{"Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress"} {
		slow := w.on(&wire{left: -1, refresh: status}, w.function.settings)
		check(t, w.perform(slow, w.jwt, token(2), steps...))
		v, err := w.function.versions(t.Context(), w.jwt)
		check(t, err)
		if version, _ := v.followedRefresh(); version != token(2) || w.refreshes() != 1 {
			t.Errorf("%s: the labels are %v after %d refreshes", status, v, w.refreshes())
		}
	}
}

func TestOnlyItsOwnSecretsAndStepsAreAccepted(t *testing.T) {
	w := newWorld(t)
	for _, test := range []struct {
		event event
		want  string
	}{
		{event{Step: "createSecret", SecretId: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf"}, "is not a secret of this function"},
		{event{Step: "deleteSecret", SecretId: w.jwt.arn}, `"deleteSecret" is not a step`},
		{event{Step: "createSecret", SecretId: w.jwt.arn, ClientRequestToken: token(9)}, "has not the label AWSPENDING"},
	} {
		if err := w.function.handle(t.Context(), test.event); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.event, err)
		}
	}
}
