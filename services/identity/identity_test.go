package identity

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// TestNoSecretInTheStore: whoever reads the store can neither sign in nor continue a
// session with what is in it.
func TestNoSecretInTheStore(t *testing.T) {
	storetest.Each(t, "identity", func(t *testing.T, e *runtime.Env) {
		ctx := t.Context()
		store, err := e.OpenStore(ctx, migrations)
		if err != nil {
			t.Fatal(err)
		}
		if err := seed(ctx, store); err != nil {
			t.Fatal(err)
		}
		s := &server{store: store}
		session, err := s.OpenSession(ctx, &pb.OpenSessionRequest{ApiKey: APIKey(3)})
		if err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{"SELECT api_key_hash FROM users WHERE id = '" + UserID(3) + "'", "SELECT token_hash FROM sessions"} {
			var stored string
			if err := store.QueryRow(ctx, query).Scan(&stored); err != nil {
				t.Fatal(err)
			}
			if stored == APIKey(3) || stored == session.GetToken() {
				t.Errorf("%s returns the secret", query)
			}
			if _, err := s.Authenticate(ctx, &pb.AuthenticateRequest{Credential: stored}); status.Code(err) != codes.Unauthenticated {
				t.Errorf("what %s returns is a credential: %v", query, err)
			}
		}
	})
}

func TestSessionsOfAUserAreBounded(t *testing.T) {
	storetest.Each(t, "identity", func(t *testing.T, e *runtime.Env) {
		ctx := t.Context()
		store, err := e.OpenStore(ctx, migrations)
		if err != nil {
			t.Fatal(err)
		}
		if err := seed(ctx, store); err != nil {
			t.Fatal(err)
		}
		s := &server{store: store}
		other, err := s.OpenSession(ctx, &pb.OpenSessionRequest{ApiKey: APIKey(4)})
		if err != nil {
			t.Fatal(err)
		}
		var last *pb.Session
		for n := range 2 * maxSessions {
			if last, err = s.OpenSession(ctx, &pb.OpenSessionRequest{ApiKey: APIKey(3)}); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Exec(ctx, "UPDATE sessions SET expires_unix = expires_unix - ? WHERE token_hash = ?", 2*maxSessions-n, hash(last.GetToken())); err != nil {
				t.Fatal(err)
			}
		}
		var n int
		if err := store.QueryRow(ctx, "SELECT COUNT(*) FROM sessions WHERE user_id = ?", UserID(3)).Scan(&n); err != nil || n > maxSessions {
			t.Errorf("%d sessions of one user, want %d at most (%v)", n, maxSessions, err)
		}
		for _, session := range []*pb.Session{last, other} {
			if _, err := s.Authenticate(ctx, &pb.AuthenticateRequest{Credential: session.GetToken()}); err != nil {
				t.Errorf("a session that should be kept: %v", err)
			}
		}
	})
}

func TestSessions(t *testing.T) {
	storetest.Each(t, "identity", func(t *testing.T, e *runtime.Env) {
		ctx := t.Context()
		store, err := e.OpenStore(ctx, migrations)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // a restart seeds nothing twice
			if err := seed(ctx, store); err != nil {
				t.Fatal(err)
			}
		}
		s := &server{store: store}
		session, err := s.OpenSession(ctx, &pb.OpenSessionRequest{ApiKey: APIKey(3)})
		if err != nil || session.GetUser().GetId() != UserID(3) {
			t.Fatalf("%v %v", session, err)
		}
		for why, credential := range map[string]string{"the session": session.GetToken(), "the API key": APIKey(3)} {
			if u, err := s.Authenticate(ctx, &pb.AuthenticateRequest{Credential: credential}); err != nil || u.GetId() != UserID(3) {
				t.Errorf("%s: %v %v", why, u, err)
			}
		}
		if _, err := store.Exec(ctx, "UPDATE sessions SET expires_unix = ?", time.Now().Add(-time.Second).Unix()); err != nil {
			t.Fatal(err)
		}
		for why, credential := range map[string]string{"an expired session": session.GetToken(), "a guess": "guess", "nothing": "", "a user's ID": UserID(3)} {
			if _, err := s.Authenticate(ctx, &pb.AuthenticateRequest{Credential: credential}); status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: %v", why, err)
			}
		}
		if _, err := s.GetUser(ctx, &pb.GetUserRequest{UserId: "user-999"}); status.Code(err) != codes.NotFound {
			t.Errorf("%v", err)
		}
	})
}

// TestSeedMixesTiersAndRegions: a diagnosis can name an attribute only if the others
// vary independently of it.
func TestSeedMixesTiersAndRegions(t *testing.T) {
	storetest.Each(t, "identity", func(t *testing.T, e *runtime.Env) {
		store, err := e.OpenStore(t.Context(), migrations)
		if err != nil {
			t.Fatal(err)
		}
		if err := seed(t.Context(), store); err != nil {
			t.Fatal(err)
		}
		var pairs int
		err = store.QueryRow(t.Context(), "SELECT COUNT(*) FROM (SELECT DISTINCT tier, region FROM users) AS t").Scan(&pairs)
		if err != nil || pairs != 9 {
			t.Errorf("%d pairs of tier and region, want all 9 (%v)", pairs, err)
		}
	})
}
