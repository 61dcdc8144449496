package watch

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/slack-go/slack"

	"github.com/tenhop/tenhop/query"
)

// slackBot posts to a channel and edits its message.
type slackBot struct {
	channel string
	api     *slack.Client
}

func newSlackBot(channel string, secrets Secrets) *slackBot {
	options := []slack.Option{slack.OptionHTTPClient(newClient())}
	if secrets.SlackAPI != "" {
		options = append(options, slack.OptionAPIURL(secrets.SlackAPI))
	}
	return &slackBot{channel, slack.New(secrets.Slack, options...)}
}

// Name implements Receiver.
func (s *slackBot) Name() string { return "slack://" + s.channel }

// Send implements Receiver.
func (s *slackBot) Send(ctx context.Context, m Message) (string, error) {
	options := []slack.MsgOption{slack.MsgOptionText(slackText(m), false), slack.MsgOptionBlocks(blocks(m)...),
		slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl()}
	if channel, at, ok := strings.Cut(m.Ref, "/"); ok {
		_, _, _, err := s.api.UpdateMessageContext(ctx, channel, at, options...)
		var answer slack.SlackErrorResponse
		if !errors.As(err, &answer) || answer.Err != "message_not_found" && answer.Err != "cant_update_message" {
			return m.Ref, plainError(err)
		}
	}
	channel, at, err := s.api.PostMessageContext(ctx, s.channel, options...)
	if err != nil {
		return "", plainError(err)
	}
	return channel + "/" + at, nil
}

// slackHook posts to an incoming webhook, which cannot edit: the first state and the
// last one are posted.
type slackHook struct {
	url    *url.URL
	client *http.Client
}

// Name implements Receiver.
func (s *slackHook) Name() string { return place(s.url) }

// Send implements Receiver.
func (s *slackHook) Send(ctx context.Context, m Message) (string, error) {
	posted := "unsure"
	if m.Sure {
		posted = "sure"
	}
	if m.State == Open && (m.Ref == "sure" || m.Ref == posted) {
		return m.Ref, nil
	}
	err := slack.PostWebhookCustomHTTPContext(ctx, s.url.String(), s.client,
		&slack.WebhookMessage{Text: slackText(m), Blocks: &slack.Blocks{BlockSet: blocks(m)}})
	return posted, plainError(err)
}

// plainError removes the URL from an error, which may be secret.
func plainError(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// slackText returns the text that notifications show.
func slackText(m Message) string { return mrkdwn(cut(m.Title()+": "+m.Headline, 1000)) }

// Limits of Slack's blocks, in characters. Escaping may make a text five times as long.
const (
	maxHeader  = 150
	maxSection = 550
)

// blocks returns the message as blocks. Names from telemetry are escaped, so that they
// can neither mention nor link.
func blocks(m Message) []slack.Block {
	plain := func(s string) *slack.TextBlockObject {
		return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
	}
	text := func(s string) *slack.TextBlockObject {
		return slack.NewTextBlockObject(slack.MarkdownType, s, false, true)
	}
	var fields []*slack.TextBlockObject
	for _, t := range m.Times() {
		fields = append(fields, text("*"+t[0]+"*\n"+t[1]))
	}
	out := []slack.Block{slack.NewHeaderBlock(plain(cut(m.Title(), maxHeader))), slack.NewSectionBlock(plain(cut(m.Headline, maxSection)), nil, nil), slack.NewSectionBlock(nil, fields, nil)}
	if m.Diagnosis != nil && len(m.Diagnosis.Findings) > 0 {
		f := m.Diagnosis.Findings[0]
		if f.Cause != nil && f.Cause.Why != "" {
			probably := "probably "
			if f.Cause.Sure {
				probably = ""
			}
			out = append(out, slack.NewSectionBlock(text("*Why* "+probably+mrkdwn(cut(query.Printable(f.Cause.Why), maxSection))), nil, nil))
		}
		for _, q := range f.Quotes[:min(len(f.Quotes), 2)] {
			out = append(out, slack.NewSectionBlock(text("> "+mrkdwn(cut(query.Printable(q.Text), maxSection))), nil, nil))
		}
		if len(f.Exemplars) > 0 {
			out = append(out, slack.NewContextBlock("", text("see one request: `tenhop trace "+mrkdwn(cut(query.Printable(f.Exemplars[0]), 64))+"`")))
		}
	}
	if m.Note != "" {
		out = append(out, slack.NewContextBlock("", text(mrkdwn(cut(m.Note, maxSection)))))
	}
	out = append(out, slack.NewContextBlock("", text("alerts: "+mrkdwn(cut(m.Alerts, maxSection)))))
	if m.URL != "" {
		out = append(out, slack.NewSectionBlock(text("<"+m.URL+"|Open the incident>"), nil, nil))
	}
	return out
}

var mrkdwnEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "∗", "`", "ˋ", "~", "∼", "\n", " ")

func mrkdwn(s string) string { return mrkdwnEscaper.Replace(s) }
