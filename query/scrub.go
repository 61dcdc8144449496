package query

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// adviser returns the Adviser of the client, or nil.
func (b *Backend) adviser() Adviser {
	a, _ := b.client.Transport.(Adviser)
	return a
}

// Scrub replaces the credentials that requests to the back end carry, in a text that the
// back end has sent.
func (b *Backend) Scrub(text string) string {
	secrets := UserSecrets(b.base)
	if a := b.adviser(); a != nil {
		secrets = append(secrets, a.Secrets()...)
	}
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // a secret may contain another
	for _, s := range slices.Compact(secrets) {
		text = replaceSecret(text, s)
	}
	return text
}

const redacted = "<redacted>"

// short is the length of a secret, such as a tenant's number, that is replaced only
// where it is a word.
const short = 4

func replaceSecret(text, secret string) string {
	switch {
	case secret == "" || !strings.Contains(text, secret):
		return text
	case len(secret) >= short:
		return strings.ReplaceAll(text, secret, redacted)
	}
	word := regexp.MustCompile(`(^|[^0-9A-Za-z])` + regexp.QuoteMeta(secret) + `($|[^0-9A-Za-z])`)
	for range 2 { // neighbours share what parts them
		text = word.ReplaceAllString(text, "${1}"+redacted+"${2}")
	}
	return text
}

// UserSecrets returns the texts that reveal the user information of a URL: user,
// password, and the forms in which a request carries them.
func UserSecrets(u *url.URL) []string {
	if u == nil || u.User == nil {
		return nil
	}
	password, _ := u.User.Password()
	return append(BasicSecrets(u.User.Username(), password), u.User.String())
}

// BasicSecrets returns the texts that reveal a user and a password, among them the
// header's.
func BasicSecrets(user, password string) []string {
	pair := user + ":" + password
	return []string{user, password, url.QueryEscape(password), url.PathEscape(password), pair, base64.StdEncoding.EncodeToString([]byte(pair))}
}

// scrubbed returns err, or a copy of its text if that repeats a secret.
func (b *Backend) scrubbed(err error) error {
	if text := b.Scrub(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}
