package payment

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
)

// StoreCard returns a random token for the number of a card. The store keeps the last
// four digits; the number itself is for the acquirer and is kept nowhere. No error has
// any part of it.
func (s *server) StoreCard(ctx context.Context, req *pb.StoreCardRequest) (*pb.StoreCardResponse, error) {
	grouped := strings.TrimSpace(req.GetNumber())
	number := strings.NewReplacer(" ", "", "-", "").Replace(grouped)
	if req.GetUserId() == "" || !isCard(number) || strings.Trim(grouped, "-") != grouped {
		return nil, status.Error(codes.InvalidArgument, "this is not the number of a card")
	}
	token, four := "card_"+rand.Text(), number[len(number)-4:]
	_, err := s.store.Exec(ctx, "INSERT INTO cards (token, user_id, last_four, created_unix_ms) VALUES (?, ?, ?, ?)",
		token, req.GetUserId(), four, time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	return &pb.StoreCardResponse{CardToken: token, LastFour: four}, nil
}

// known returns an error unless a token is empty or one of the customer's.
func (s *server) known(ctx context.Context, user, token string) error {
	if token == "" {
		return nil
	}
	var n int
	if err := s.store.QueryRow(ctx, "SELECT COUNT(*) FROM cards WHERE token = ? AND user_id = ?", token, user).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return status.Error(codes.FailedPrecondition, "this card is not known; store it again")
	}
	return nil
}

// isCard reports whether a text has the length and the check digit of a card's number
// (ISO/IEC 7812).
func isCard(number string) bool {
	if len(number) < 12 || len(number) > 19 {
		return false
	}
	sum := 0
	for i := range len(number) {
		c := number[len(number)-1-i]
		if c < '0' || c > '9' {
			return false
		}
		d := int(c - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
