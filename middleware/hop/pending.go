package hop

// Pending is a call that ends with its hop at the latest, such as an HTTP call
// whose response body nobody closes. An adapter embeds it and gives it to
// Hop.Adopt; it does not allocate.
type Pending struct {
	hop        *Hop
	end        func()
	next, prev *Pending
}

// Adopt makes the hop call end when it ends, unless the call is released
// before. It reports false on a nil or ended Hop.
func (h *Hop) Adopt(p *Pending, end func()) bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return false
	}
	p.hop, p.end, p.next = h, end, h.pending
	if h.pending != nil {
		h.pending.prev = p
	}
	h.pending = p
	return true
}

// Release takes the call out of its hop's care.
func (p *Pending) Release() {
	h := p.hop
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended { // the hop walks the list
		return
	}
	switch {
	case p.prev != nil:
		p.prev.next = p.next
	case h.pending == p:
		h.pending = p.next
	default:
		return
	}
	if p.next != nil {
		p.next.prev = p.prev
	}
	p.next, p.prev = nil, nil
}
