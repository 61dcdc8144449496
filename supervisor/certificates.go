package supervisor

import (
	"errors"

	"github.com/tenhop/tenhop/internal/certs"
	"github.com/tenhop/tenhop/services"
)

// certificates issues a certificate for each service and writes it to .tenhop/certs. The
// authority lives for this run only: its key is never written, so nobody can issue more.
func (p *plan) certificates() error {
	if !p.cfg.MTLS {
		return nil
	}
	if err := p.dir.Make("certs"); err != nil {
		return err
	}
	authority, err := certs.NewAuthority()
	if err != nil {
		return err
	}
	ca := p.dir.Path("certs", "ca.pem")
	if err := replaceFile(ca, authority.Certificate); err != nil {
		return err
	}
	p.tls = map[string][]string{}
	for _, name := range services.Names() {
		pair, err := authority.Issue(name)
		if err != nil {
			return err
		}
		cert, key := p.dir.Path("certs", name+".pem"), p.dir.Path("certs", name+"-key.pem")
		if err := errors.Join(replaceFile(cert, pair.Certificate), replaceFile(key, pair.Key)); err != nil {
			return err
		}
		p.tls[name] = []string{"TENHOP_TLS_CA=" + ca, "TENHOP_TLS_CERT=" + cert, "TENHOP_TLS_KEY=" + key}
	}
	return nil
}
