// Package identity stores users and their sessions.
package identity

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/hop"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
)

//go:embed migrations/*.sql
var migrations embed.FS

// sessionFor is the lifetime of a session. A user has maxSessions at most; a new one ends
// the oldest.
const (
	sessionFor  = 24 * time.Hour
	maxSessions = 50
)

// Definition declares the service.
func Definition() runtime.Definition {
	return runtime.Definition{
		Name:       "identity",
		Operations: []string{"tenhop.v1.Identity/OpenSession", "tenhop.v1.Identity/Authenticate", "tenhop.v1.Identity/GetUser"},
		Build:      build,
	}
}

func build(ctx context.Context, e *runtime.Env) (runtime.Service, error) {
	store, err := e.OpenStore(ctx, migrations)
	if err != nil {
		return runtime.Service{}, err
	}
	if err := seed(ctx, store); err != nil {
		return runtime.Service{}, err
	}
	s := &server{store: store}
	return runtime.Service{
		GRPC:       func(r grpc.ServiceRegistrar) { pb.RegisterIdentityServer(r, s) },
		Background: []func(context.Context) error{s.expireSessions},
	}, nil
}

type server struct {
	pb.UnimplementedIdentityServer
	store *runtime.Store
}

const userColumns = "u.id, u.name, u.email, u.tier, u.region"

func scanUser(row *sql.Row) (*pb.User, error) {
	var u pb.User
	err := row.Scan(&u.Id, &u.Name, &u.Email, &u.Tier, &u.Region)
	return &u, err
}

// find returns the user whom a query finds with the hash of a secret, or sql.ErrNoRows.
// The last column is the stored hash.
func (s *server) find(ctx context.Context, want, query string, args ...any) (*pb.User, error) {
	var u pb.User
	var stored string
	err := s.store.QueryRow(ctx, query, args...).Scan(&u.Id, &u.Name, &u.Email, &u.Tier, &u.Region, &stored)
	if err == nil && !matches(stored, want) {
		err = sql.ErrNoRows
	}
	return &u, err
}

func (s *server) OpenSession(ctx context.Context, req *pb.OpenSessionRequest) (*pb.Session, error) {
	key := hash(req.GetApiKey())
	u, err := s.find(ctx, key, "SELECT "+userColumns+", u.api_key_hash FROM users u WHERE u.api_key_hash = ?", key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, status.Error(codes.Unauthenticated, "unknown API key")
	}
	if err != nil {
		return nil, err
	}
	describe(ctx, u)
	token := rand.Text()
	_, err = s.store.Exec(ctx, "INSERT INTO sessions (token_hash, user_id, expires_unix) VALUES (?, ?, ?)",
		hash(token), u.GetId(), time.Now().Add(sessionFor).Unix())
	if err != nil {
		return nil, err
	}
	_, err = s.store.Exec(ctx, `DELETE FROM sessions WHERE user_id = ? AND token_hash <> ? AND token_hash IN
		(SELECT token_hash FROM sessions WHERE user_id = ? ORDER BY expires_unix DESC, token_hash LIMIT ? OFFSET ?)`,
		u.GetId(), hash(token), u.GetId(), maxSessions, maxSessions)
	if err != nil {
		return nil, err
	}
	return &pb.Session{Token: token, User: u}, nil
}

func (s *server) Authenticate(ctx context.Context, req *pb.AuthenticateRequest) (*pb.User, error) {
	given := hash(req.GetCredential())
	u, err := s.find(ctx, given, "SELECT "+userColumns+`, u.api_key_hash FROM users u WHERE u.api_key_hash = ?
		UNION ALL
		SELECT `+userColumns+`, s.token_hash FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_hash = ? AND s.expires_unix > ?`,
		given, given, time.Now().Unix())
	if errors.Is(err, sql.ErrNoRows) {
		return nil, status.Error(codes.Unauthenticated, "unknown or expired credential")
	}
	if err != nil {
		return nil, err
	}
	describe(ctx, u)
	return u, nil
}

func (s *server) GetUser(ctx context.Context, req *pb.GetUserRequest) (*pb.User, error) {
	u, err := scanUser(s.store.QueryRow(ctx, "SELECT "+userColumns+" FROM users u WHERE u.id = ?", req.GetUserId()))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, status.Errorf(codes.NotFound, "no user %q", req.GetUserId())
	}
	if err != nil {
		return nil, err
	}
	describe(ctx, u)
	return u, nil
}

func describe(ctx context.Context, u *pb.User) {
	hop.SetAttributes(ctx, attribute.String("customer.tier", u.GetTier()), attribute.String("region", u.GetRegion()))
}

func (s *server) expireSessions(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if _, err := s.store.Exec(ctx, "DELETE FROM sessions WHERE expires_unix < ?", time.Now().Unix()); err != nil {
				hop.Zerolog(ctx).Warn().Err(err).Msg("expired sessions stay for now")
			}
		}
	}
}
