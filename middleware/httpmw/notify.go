package httpmw

import "net/http"

// The types below add http.CloseNotifier, which gin's Context.Stream asserts, to those
// of writers.go. Servers implement it, so it must not be hidden, deprecated or not.
type (
	withC     struct{ *recorder }
	withFC    struct{ withF }
	withHC    struct{ withH }
	withFHC   struct{ withFH }
	withPC    struct{ withP }
	withFPC   struct{ withFP }
	withHPC   struct{ withHP }
	withFHPC  struct{ withFHP }
	withRC    struct{ withR }
	withFRC   struct{ withFR }
	withHRC   struct{ withHR }
	withFHRC  struct{ withFHR }
	withPRC   struct{ withPR }
	withFPRC  struct{ withFPR }
	withHPRC  struct{ withHPR }
	withFHPRC struct{ withFHPR }
)

func (w withC) CloseNotify() <-chan bool     { return w.closeNotify() }
func (w withFC) CloseNotify() <-chan bool    { return w.closeNotify() }
func (w withHC) CloseNotify() <-chan bool    { return w.closeNotify() }
func (w withFHC) CloseNotify() <-chan bool   { return w.closeNotify() }
func (w withPC) CloseNotify() <-chan bool    { return w.closeNotify() }
func (w withFPC) CloseNotify() <-chan bool   { return w.closeNotify() }
func (w withHPC) CloseNotify() <-chan bool   { return w.closeNotify() }
func (w withFHPC) CloseNotify() <-chan bool  { return w.closeNotify() }
func (w withRC) CloseNotify() <-chan bool    { return w.closeNotify() }
func (w withFRC) CloseNotify() <-chan bool   { return w.closeNotify() }
func (w withHRC) CloseNotify() <-chan bool   { return w.closeNotify() }
func (w withFHRC) CloseNotify() <-chan bool  { return w.closeNotify() }
func (w withPRC) CloseNotify() <-chan bool   { return w.closeNotify() }
func (w withFPRC) CloseNotify() <-chan bool  { return w.closeNotify() }
func (w withHPRC) CloseNotify() <-chan bool  { return w.closeNotify() }
func (w withFHPRC) CloseNotify() <-chan bool { return w.closeNotify() }

func (r *recorder) closeNotify() <-chan bool {
	return r.ResponseWriter.(closeNotifier).CloseNotify()
}

// closeNotifier is http.CloseNotifier.
type closeNotifier interface{ CloseNotify() <-chan bool }

// wrapNotifying is wrap for an inner writer that is an http.CloseNotifier. has holds
// the bits of its other interfaces.
func (r *recorder) wrapNotifying(has int) http.ResponseWriter {
	switch has {
	case 1:
		return withFC{withF{r}}
	case 2:
		return withHC{withH{r}}
	case 3:
		return withFHC{withFH{r}}
	case 4:
		return withPC{withP{r}}
	case 5:
		return withFPC{withFP{r}}
	case 6:
		return withHPC{withHP{r}}
	case 7:
		return withFHPC{withFHP{r}}
	case 8:
		return withRC{withR{r}}
	case 9:
		return withFRC{withFR{r}}
	case 10:
		return withHRC{withHR{r}}
	case 11:
		return withFHRC{withFHR{r}}
	case 12:
		return withPRC{withPR{r}}
	case 13:
		return withFPRC{withFPR{r}}
	case 14:
		return withHPRC{withHPR{r}}
	case 15:
		return withFHPRC{withFHPR{r}}
	}
	return withC{r}
}
