// Package emaildown stops the email service of a running storefront for two minutes.
// TestEmailServiceIsDown runs if TENHOP_EMAIL_DOWN is set.
package emaildown
