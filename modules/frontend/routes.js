// Serves index.html on client-side routes. A path is a file if it is below /.well-known/ or ends in one of the extensions; every
// other path is a route, also if it contains a dot, as a user name or a token does.
// It runs on viewer requests of the default behavior only, so that responses of the API do not change.
// Runtime: cloudfront-js-2.0.
var file = /^\/\.well-known\/|\.(?:avif|bmp|css|csv|eot|gif|gz|html?|ico|jpe?g|js|json|map|md|mjs|mp3|mp4|ogg|otf|pdf|png|svg|ttf|txt|wasm|wav|webm|webmanifest|webp|woff2?|xml|zip)$/i;

function handler(event) {
    var request = event.request;
    if (!file.test(request.uri)) {
        request.uri = '/index.html';
    }
    return request;
}
