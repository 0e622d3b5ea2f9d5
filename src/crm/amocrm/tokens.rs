//! Where amoCRM gives tokens [D], and what it says about those it does not take [C].

use crate::crm::grant::issuer::TokenRoute;

/// `POST /oauth2/access_token` with JSON. A code is good for 20 minutes and once, an access token for 24 hours, a refresh
/// token for 3 months and once [D]. No grace after a refresh token was used is documented, so none is counted on.
pub const ROUTE: TokenRoute = TokenRoute {
    path: "/oauth2/access_token",
    hints: &[
        "Authorization code has expired",
        "Authorization code has been revoked",
        "Cannot decrypt the authorization code",
        "Invalid refresh token",
    ],
};
